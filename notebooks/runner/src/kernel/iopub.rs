//! What all clients see: status, printed text, results, errors.
//!
//! One task owns the socket, so that everything goes out in the order in which it happened. Printed lines are gathered
//! for a moment, because ten thousand messages of one line each would occupy a browser for a long time.

use std::collections::VecDeque;
use std::time::Duration;

use jupyter_protocol::{ExecutionState, IoPubWelcome, JupyterMessage, JupyterMessageContent, Status, StreamContent};
use jupyter_zmq_client::{KernelIoPubXPubConnection, SubscriptionEvent};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::Instant;

use crate::session::Stream;

/// How long printed text is gathered.
const GATHER: Duration = Duration::from_millis(50);
/// How much is gathered at most, in bytes.
const GATHER_BYTES: usize = 1 << 16;
/// How many messages are kept for the first client.
const BACKLOG: usize = 256;

/// Something to be made public.
pub enum Event {
    /// A whole message.
    Message(Box<JupyterMessage>),
    /// This request's cell starts: what is printed now belongs to it.
    Begin(Box<JupyterMessage>),
    /// A printed line.
    Line(Stream, String),
    /// The cell has ended; these lines are shown in its error and need not be shown twice.
    End(Vec<String>),
}

/// Where to send events.
#[derive(Clone)]
pub struct Publisher(pub UnboundedSender<Event>);

impl Publisher {
    /// Queues an event. When the task is gone, the process is about to end and nobody listens.
    pub fn send(&self, event: Event) {
        let _ = self.0.send(event);
    }

    /// Queues a message that belongs to `request`.
    pub fn message(&self, content: impl Into<JupyterMessageContent>, request: &JupyterMessage) {
        self.send(Event::Message(Box::new(JupyterMessage::new(content, Some(request)))));
    }
}

/// Publishes events until the process ends.
pub async fn publish(mut socket: KernelIoPubXPubConnection, mut events: UnboundedReceiver<Event>) {
    let mut desk = Desk::default();
    loop {
        let deadline = desk.deadline;
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => desk.take(event),
                None => return,
            },
            subscription = socket.recv_subscription() => match subscription {
                Ok(SubscriptionEvent::Subscribe(topic)) => desk.welcome(topic),
                Ok(SubscriptionEvent::Unsubscribe(_)) => {}
                // A client left without saying so. The pause only guards against an error that stays.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            () = tokio::time::sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => desk.flush(),
        }
        if !desk.has_clients {
            continue;
        }
        while let Some(message) = desk.outgoing.pop_front() {
            let topic = message.message_type().as_bytes().to_vec();
            if let Err(error) = socket.send(message.with_zmq_identities(vec![topic.into()])).await {
                eprintln!("iopub: {error}");
            }
        }
    }
}

/// Puts messages in order.
#[derive(Default)]
struct Desk {
    /// Some clients (VS Code) make requests before they have subscribed, and then wait for ever for the `idle` that
    /// was published to nobody: so messages wait here for the first subscription.
    has_clients: bool,
    outgoing: VecDeque<JupyterMessage>,
    /// The request that printed text belongs to.
    parent: Option<Box<JupyterMessage>>,
    /// Its cell is still running.
    running: bool,
    gathered: Vec<(Stream, String)>,
    bytes: usize,
    deadline: Option<Instant>,
}

impl Desk {
    fn take(&mut self, event: Event) {
        match event {
            Event::Line(stream, line) => self.gather(stream, line),
            Event::Begin(request) => {
                self.flush();
                self.parent = Some(request);
                self.running = true;
            }
            Event::End(shown) => {
                self.gathered.retain(|(stream, line)| *stream == Stream::Stdout || !shown.contains(line));
                self.flush();
                self.running = false;
            }
            Event::Message(message) => {
                self.flush();
                let idle = is_idle(&message);
                self.post(*message);
                if idle {
                    self.stay_busy();
                }
            }
        }
    }

    /// A request answered while a cell runs leaves the kernel busy, whatever its own `idle` made clients show.
    fn stay_busy(&mut self) {
        if let (true, Some(request)) = (self.running, self.parent.as_deref()) {
            let busy = JupyterMessage::new(Status::busy(), Some(request));
            self.post(busy);
        }
    }

    fn gather(&mut self, stream: Stream, line: String) {
        self.bytes += line.len() + 1;
        self.gathered.push((stream, line));
        self.deadline.get_or_insert_with(|| Instant::now() + GATHER);
        if self.bytes > GATHER_BYTES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.bytes = 0;
        self.deadline = None;
        let lines = std::mem::take(&mut self.gathered);
        // What is printed before the first cell is not a reader's.
        let Some(request) = self.parent.take() else { return };
        for run in lines.chunk_by(|left, right| left.0 == right.0) {
            let text: String = run.iter().flat_map(|(_, line)| [line.as_str(), "\n"]).collect();
            let content = match run[0].0 {
                Stream::Stdout => StreamContent::stdout(&text),
                Stream::Stderr => StreamContent::stderr(&text),
            };
            self.post(JupyterMessage::new(content, Some(&request)));
        }
        self.parent = Some(request);
    }

    fn welcome(&mut self, topic: String) {
        self.has_clients = true;
        self.outgoing.push_front(JupyterMessage::new(IoPubWelcome::new(topic), None));
    }

    fn post(&mut self, message: JupyterMessage) {
        if !self.has_clients && self.outgoing.len() >= BACKLOG {
            self.outgoing.pop_front();
        }
        self.outgoing.push_back(message);
    }
}

fn is_idle(message: &JupyterMessage) -> bool {
    matches!(&message.content, JupyterMessageContent::Status(Status { execution_state: ExecutionState::Idle }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jupyter_protocol::ExecuteRequest;

    fn request() -> Box<JupyterMessage> {
        Box::new(JupyterMessage::new(ExecuteRequest::new(String::new()), None))
    }

    fn texts(desk: &Desk) -> Vec<String> {
        desk.outgoing
            .iter()
            .filter_map(|message| match &message.content {
                JupyterMessageContent::StreamContent(stream) => Some(stream.text.clone()),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn lines_are_gathered_by_stream_and_in_order() {
        let mut desk = Desk::default();
        desk.take(Event::Line(Stream::Stdout, "before any cell".into()));
        desk.take(Event::Begin(request()));
        for (stream, line) in
            [(Stream::Stdout, "a"), (Stream::Stdout, "b"), (Stream::Stderr, "c"), (Stream::Stdout, "d")]
        {
            desk.take(Event::Line(stream, line.into()));
        }
        assert!(texts(&desk).is_empty(), "nothing is sent line by line");
        desk.take(Event::End(Vec::new()));
        assert_eq!(texts(&desk), ["a\nb\n", "c\n", "d\n"]);
    }

    #[test]
    fn what_the_error_shows_is_not_printed_too() {
        let mut desk = Desk::default();
        desk.take(Event::Begin(request()));
        desk.take(Event::Line(Stream::Stdout, "no such file".into()));
        desk.take(Event::Line(Stream::Stderr, "a warning".into()));
        desk.take(Event::Line(Stream::Stderr, "no such file".into()));
        desk.take(Event::End(vec!["no such file".into()]));
        assert_eq!(texts(&desk), ["no such file\n", "a warning\n"]);
    }

    #[test]
    fn an_answer_to_another_request_leaves_a_running_cell_busy() {
        let mut desk = Desk::default();
        desk.take(Event::Begin(request()));
        desk.take(Event::Message(Box::new(JupyterMessage::new(Status::idle(), None))));
        assert!(matches!(
            &desk.outgoing.back().unwrap().content,
            JupyterMessageContent::Status(Status { execution_state: ExecutionState::Busy })
        ));
        desk.take(Event::End(Vec::new()));
        desk.take(Event::Message(Box::new(JupyterMessage::new(Status::idle(), None))));
        assert!(is_idle(desk.outgoing.back().unwrap()));
    }

    #[test]
    fn the_first_client_gets_what_was_published_before_it_came() {
        let mut desk = Desk::default();
        for _ in 0..2 * BACKLOG {
            desk.take(Event::Message(Box::new(JupyterMessage::new(Status::idle(), None))));
        }
        assert_eq!(desk.outgoing.len(), BACKLOG);
        desk.welcome(String::new());
        assert_eq!(desk.outgoing.front().unwrap().message_type(), "iopub_welcome");
        assert_eq!(desk.outgoing.len(), BACKLOG + 1);
    }
}
