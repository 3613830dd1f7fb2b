//! Requests that need the session, one after the other, on one thread.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jupyter_protocol::{
    CompleteReply, CompleteRequest, ErrorOutput, ExecuteInput, ExecuteReply, ExecuteRequest, ExecuteResult,
    ExecutionCount, InspectReply, InspectRequest, JupyterMessage, JupyterMessageContent, Media, ReplyError,
    ReplyStatus, Status,
};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::code;
use super::iopub::{Event, Publisher};
use crate::session::{Failure, Kind, Outcome, Session, Stopper, lock};

/// When no request has come for so long, nobody waits.
const PAUSE: Duration = Duration::from_millis(500);
/// What the user sees of an interrupt.
const INTERRUPTED: &str = "interrupted";

/// How other threads stop what the cells' thread does.
#[derive(Clone, Default)]
pub struct Interrupter(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// There is none while the compiler is being started.
    stopper: Option<Stopper>,
    /// The waiting cells are not to be run.
    drop_waiting: bool,
}

impl Interrupter {
    /// Stops the running cell. If the session is still being made, the cells that wait for it are dropped instead.
    pub fn interrupt(&self) {
        let mut state = lock(&self.0);
        match &state.stopper {
            Some(stopper) => stopper.stop(Kind::Interrupted, INTERRUPTED),
            None => state.drop_waiting = true,
        }
    }

    fn ready(&self, stopper: Option<Stopper>) -> bool {
        let mut state = lock(&self.0);
        state.stopper = stopper;
        std::mem::take(&mut state.drop_waiting)
    }
}

/// Serves the requests that need the session.
pub struct Cells {
    /// The session, or why there is none.
    pub session: Result<Session, String>,
    /// The requests.
    pub requests: Receiver<JupyterMessage>,
    /// Where what all clients see goes.
    pub publisher: Publisher,
    /// Where replies go.
    pub replies: UnboundedSender<JupyterMessage>,
    count: usize,
}

impl Cells {
    /// Serves with `session`.
    pub fn new(
        session: Result<Session, String>,
        requests: Receiver<JupyterMessage>,
        publisher: Publisher,
        replies: UnboundedSender<JupyterMessage>,
    ) -> Self {
        Self { session, requests, publisher, replies, count: 0 }
    }

    /// Serves until no request can come any more.
    pub fn serve(mut self, interrupter: &Interrupter) {
        let stopper = self.session.as_ref().ok().map(Session::stopper);
        if interrupter.ready(stopper) {
            let waiting = self.requests.try_iter().collect();
            self.abort(waiting);
        }
        while let Ok(request) = self.next() {
            self.answer(&request);
        }
    }

    fn next(&mut self) -> Result<JupyterMessage, RecvError> {
        if let Ok(request) = self.requests.recv_timeout(PAUSE) {
            return Ok(request);
        }
        if let Ok(session) = &mut self.session {
            // A panic in the compiler front end: as in `run`.
            let _ = catch_unwind(AssertUnwindSafe(|| session.use_pause()));
        }
        self.requests.recv()
    }

    fn answer(&mut self, request: &JupyterMessage) {
        self.publisher.message(Status::busy(), request);
        let mut waiting = Vec::new();
        match &request.content {
            JupyterMessageContent::ExecuteRequest(content) => {
                let reply = self.execute(request, content);
                // Before the client hears of the failure: what it sends after that is not to be aborted.
                if reply.error.is_some() && content.stop_on_error {
                    waiting = self.requests.try_iter().collect();
                }
                self.reply(reply, request);
            }
            JupyterMessageContent::CompleteRequest(content) => {
                let reply = self.complete(content);
                self.reply(reply, request);
            }
            JupyterMessageContent::InspectRequest(content) => {
                let reply = self.inspect(content);
                self.reply(reply, request);
            }
            _ => {}
        }
        self.publisher.message(Status::idle(), request);
        self.abort(waiting);
    }

    fn reply(&self, content: impl Into<JupyterMessageContent>, request: &JupyterMessage) {
        // When the task that sends is gone, the process is about to end.
        let _ = self.replies.send(JupyterMessage::new(content, Some(request)));
    }

    /// Cells that were sent before the failed one was known to fail are not run.
    fn abort(&mut self, waiting: Vec<JupyterMessage>) {
        for request in waiting {
            if !matches!(request.content, JupyterMessageContent::ExecuteRequest(_)) {
                self.answer(&request);
                continue;
            }
            self.publisher.message(Status::busy(), &request);
            let mut reply = self.execute_reply();
            reply.status = ReplyStatus::Aborted;
            self.reply(reply, &request);
            self.publisher.message(Status::idle(), &request);
        }
    }

    fn execute_reply(&self) -> ExecuteReply {
        let execution_count = ExecutionCount::new(self.count);
        ExecuteReply { execution_count, user_expressions: Some(HashMap::new()), ..ExecuteReply::default() }
    }

    fn execute(&mut self, request: &JupyterMessage, content: &ExecuteRequest) -> ExecuteReply {
        if content.code.trim().is_empty() {
            return self.execute_reply();
        }
        if content.store_history && !content.silent {
            self.count += 1;
        }
        let execution_count = ExecutionCount::new(self.count);
        if !content.silent {
            self.publisher.message(ExecuteInput { code: content.code.clone(), execution_count }, request);
        }
        self.publisher.send(Event::Begin(Box::new(request.clone())));
        let outcome = self.run(&content.code);
        let shown = outcome.failure.as_ref().map_or_else(Vec::new, |failure| failure.traceback.clone());
        self.publisher.send(Event::End(shown));

        let mut reply = self.execute_reply();
        if let Some(Failure { kind, message, traceback }) = outcome.failure {
            let (ename, evalue) = (kind.name().to_owned(), message);
            self.publisher.message(
                ErrorOutput { ename: ename.clone(), evalue: evalue.clone(), traceback: traceback.clone() },
                request,
            );
            reply.status = ReplyStatus::Error;
            reply.error = Some(Box::new(ReplyError { ename, evalue, traceback }));
        } else if !outcome.data.is_empty() && !content.silent {
            self.publisher.message(ExecuteResult::new(execution_count, bundle(outcome.data)), request);
        }
        reply
    }

    fn run(&mut self, code: &str) -> Outcome {
        let message = match &mut self.session {
            Err(sentence) => sentence.clone(),
            // A panic in the compiler front end is a bug there, and no reason to lose the notebook's kernel.
            Ok(session) => match catch_unwind(AssertUnwindSafe(|| session.execute(code))) {
                Ok(outcome) => return outcome,
                Err(_) => {
                    "the compiler front end failed on this cell (a bug in evcxr or rust-analyzer): write the cell \
                           differently; if later cells fail too, restart the kernel"
                        .to_owned()
                }
            },
        };
        Failure { kind: Kind::Compile, traceback: vec![message.clone()], message }.into()
    }

    fn complete(&mut self, request: &CompleteRequest) -> CompleteReply {
        let CompleteRequest { code, cursor_pos } = request;
        let position = code::byte_offset(code, *cursor_pos);
        let nothing = CompleteReply { cursor_start: *cursor_pos, cursor_end: *cursor_pos, ..CompleteReply::default() };
        let Ok(session) = &mut self.session else { return nothing };
        let found = catch_unwind(AssertUnwindSafe(|| session.complete(code, position))).ok().flatten();
        let Some(found) = found else { return nothing };
        let (start, end) = (code::code_points(code, found.start_offset), code::code_points(code, found.end_offset));
        let types: Vec<Value> = found
            .completions
            .iter()
            .map(|item| json!({ "text": item.code, "type": item.kind, "signature": item.label, "start": start, "end": end }))
            .collect();
        CompleteReply {
            matches: found.completions.into_iter().map(|item| item.code).collect(),
            cursor_start: start,
            cursor_end: end,
            metadata: Map::from_iter([("_jupyter_types_experimental".to_owned(), types.into())]),
            ..CompleteReply::default()
        }
    }

    fn inspect(&mut self, request: &InspectRequest) -> InspectReply {
        let code = &request.code;
        let position = code::end_of_name(code, code::byte_offset(code, request.cursor_pos));
        let Ok(session) = &mut self.session else { return InspectReply::default() };
        let found = catch_unwind(AssertUnwindSafe(|| session.describe(code, position))).ok().flatten();
        let Some((plain, html)) = found else { return InspectReply::default() };
        let data = BTreeMap::from([("text/plain".to_owned(), plain), ("text/html".to_owned(), html)]);
        InspectReply { found: true, data: bundle(data), ..InspectReply::default() }
    }
}

/// Representations by MIME type as a message carries them: those of JSON as values, all others as text.
fn bundle(data: BTreeMap<String, String>) -> Media {
    let values: Map<String, Value> = data
        .into_iter()
        .map(|(mime, text)| {
            let is_json = mime == "application/json" || mime.ends_with("+json");
            let value = if is_json { serde_json::from_str(&text).unwrap_or(Value::String(text)) } else { text.into() };
            (mime, value)
        })
        .collect();
    serde_json::from_value(Value::Object(values)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_a_value_and_text_is_text() {
        let data = [
            ("text/html", "<b>1</b>"),
            ("text/plain", "1"),
            ("application/json", "{\"a\": [1]}"),
            ("application/x.own+json", "not json"),
            ("image/x-own", "abc"),
        ];
        let media = bundle(data.iter().map(|(mime, text)| (mime.to_string(), text.to_string())).collect());
        let sent = serde_json::to_value(&media).unwrap();
        assert_eq!(
            sent,
            json!({ "text/html": "<b>1</b>", "text/plain": "1", "application/json": { "a": [1] },
                    "application/x.own+json": "not json", "image/x-own": "abc" })
        );
    }
}
