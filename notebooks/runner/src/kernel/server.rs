//! A Jupyter kernel on the session that the headless runner uses: <https://jupyter-client.readthedocs.io/en/stable/messaging.html>.
//!
//! Three kinds of tasks: the sockets' readers answer at once what needs no session; the cells' thread (cells.rs) makes
//! the session, warms it, and takes the other requests in turn; one task publishes (iopub.rs).

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use jupyter_protocol::{
    CodeMirrorMode, CommClose, CommInfoReply, ConnectionInfo, HelpLink, HistoryReply, InterruptReply, IsCompleteReply,
    JupyterMessage, JupyterMessageContent, KernelInfoReply, LanguageInfo, ReplyStatus, ShutdownReply, Status,
};
use jupyter_zmq_client::{
    KernelHeartbeatConnection, RouterRecvConnection, RouterSendConnection, RuntimeError,
    create_kernel_control_connection, create_kernel_heartbeat_connection, create_kernel_iopub_xpub_connection,
    create_kernel_shell_connection, create_kernel_stdin_connection,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::cells::{Cells, Interrupter};
use super::iopub::{self, Event, Publisher};
use super::{code, spec};
use crate::session::{Session, Stream};
use crate::slot::Slot;
use crate::{processes, runtime};

/// How much a cell may print, in bytes.
const OUTPUT_LIMIT: usize = 10_000_000;
/// A socket's error is answered with a pause, so that one that stays costs nothing.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves the kernel that Jupyter wrote `connection_file` for; returns only if it cannot.
///
/// # Errors
/// A sentence, if the connection file or the slot for compiling cells cannot be used.
pub fn serve(connection_file: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(connection_file)
        .map_err(|error| format!("the connection file {}: {error}", connection_file.display()))?;
    let connection: ConnectionInfo = serde_json::from_str(&text)
        .map_err(|error| format!("{} is not a Jupyter connection file: {error}", connection_file.display()))?;
    if connection.signature_scheme != "hmac-sha256" {
        return Err(format!("the signature scheme `{}` is not hmac-sha256", connection.signature_scheme));
    }
    let library = library();
    set_environment();
    let cargo_lock = library.as_ref().map(|path| path.join("Cargo.lock"));
    let slot = Slot::enter(cargo_lock.as_deref())?;
    end_when_told();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| format!("no thread could be started: {error}"))?;
    runtime.block_on(run(&connection, slot, library)).map_err(|error| format!("the kernel's sockets: {error}"))
}

/// The library that the notebook's `:dep` will name: the folder above the notebook's, else the installed kernel's.
fn library() -> Option<PathBuf> {
    let named = std::env::var_os(spec::CRATE).map(PathBuf::from);
    [Some(PathBuf::from("..")), named].into_iter().flatten().find(|path| spec::is_library(path))
}

/// Completes what kernel.json has set: a limit for the cells' memory, and a way to cargo.
fn set_environment() {
    let memory = match runtime::memory_limit() {
        None => runtime::default_memory().map(|bytes| bytes.to_string()),
        Some(_) => None,
    };
    let mut folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    folders.extend(std::env::var_os(spec::CARGO_FOLDER).map(PathBuf::from));
    // SAFETY: no other thread has been started yet.
    unsafe {
        if let Some(memory) = memory {
            std::env::set_var(runtime::MEMORY, memory);
        }
        if let Ok(path) = std::env::join_paths(folders) {
            std::env::set_var("PATH", path);
        }
    }
}

/// Ends the kernel on a signal, and when the process that started it is gone.
fn end_when_told() {
    if let Err(error) = ctrlc::set_handler(end) {
        eprintln!("signals will end the kernel at once, and perhaps not what it started: {error}");
    }
    #[cfg(unix)]
    std::thread::spawn(|| {
        let parent = rustix::process::getppid();
        while rustix::process::getppid() == parent {
            std::thread::sleep(Duration::from_secs(1));
        }
        end();
    });
}

fn end() {
    processes::kill_descendants(None);
    std::process::exit(0);
}

async fn run(connection: &ConnectionInfo, slot: Slot, library: Option<PathBuf>) -> Result<(), RuntimeError> {
    // One id for the kernel's life, in every header.
    let id = JupyterMessage::new(Status::starting(), None).header.session;
    let heartbeat = create_kernel_heartbeat_connection(connection).await?;
    let (shell_out, shell_in) = create_kernel_shell_connection(connection, &id).await?.split();
    let (control_out, control_in) = create_kernel_control_connection(connection, &id).await?.split();
    let _stdin = create_kernel_stdin_connection(connection, &id).await?;
    let public = create_kernel_iopub_xpub_connection(connection, &id).await?;

    let (events, published) = unbounded_channel();
    let publisher = Publisher(events);
    publisher.send(Event::Message(Box::new(JupyterMessage::new(Status::starting(), None))));
    let (requests, waiting) = channel();
    let (shell_replies, shell_sent) = unbounded_channel();
    let (control_replies, control_sent) = unbounded_channel();
    let interrupter = Interrupter::default();

    tokio::spawn(beat(heartbeat));
    tokio::spawn(iopub::publish(public, published));
    tokio::spawn(send(shell_out, shell_sent));
    tokio::spawn(send(control_out, control_sent));
    let shell = Channel { replies: shell_replies.clone(), requests, publisher, interrupter };
    {
        let (publisher, interrupter) = (shell.publisher.clone(), shell.interrupter.clone());
        // The cells' process must be started on a thread that lives as long as it does (runtime.rs).
        std::thread::spawn(move || {
            let session = session(&publisher, library.as_deref(), &slot);
            Cells::new(session, waiting, publisher, shell_replies).serve(&interrupter);
        });
    }
    let control = Channel { replies: control_replies, ..shell.clone() };
    tokio::spawn(control.read(control_in));
    shell.read(shell_in).await;
    Ok(())
}

/// Starts the session and has the library loaded before the first cell asks for it.
fn session(publisher: &Publisher, library: Option<&Path>, slot: &Slot) -> Result<Session, String> {
    crate::toolchain::require_cargo()?;
    let publisher = publisher.clone();
    let sink = move |stream: Stream, line: &str| publisher.send(Event::Line(stream, line.to_owned()));
    let mut session = Session::start(OUTPUT_LIMIT, Box::new(sink))?;
    if let Some(Err(sentence)) = library.map(|library| session.warm(&crate::session::library(library)?, slot)) {
        // The reader's own `:dep` cell will show the compiler's words.
        eprintln!("the library was not loaded beforehand: {sentence}");
    }
    Ok(session)
}

async fn beat(mut heartbeat: KernelHeartbeatConnection) {
    loop {
        if heartbeat.single_heartbeat().await.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn send(mut socket: RouterSendConnection, mut replies: UnboundedReceiver<JupyterMessage>) {
    while let Some(reply) = replies.recv().await {
        // The client may have left since it asked.
        if let Err(error) = socket.send(reply).await {
            eprintln!("reply: {error}");
        }
    }
}

/// One of the two sockets that requests come from, and where they go.
#[derive(Clone)]
struct Channel {
    replies: UnboundedSender<JupyterMessage>,
    requests: Sender<JupyterMessage>,
    publisher: Publisher,
    interrupter: Interrupter,
}

impl Channel {
    async fn read(self, mut socket: RouterRecvConnection) {
        loop {
            match socket.read().await {
                Ok(request) => self.take(request).await,
                Err(RuntimeError::ZmqError(_)) => tokio::time::sleep(PAUSE).await,
                // A message that is not signed with our key, or not of the protocol, gets no answer.
                Err(error) => eprintln!("request: {error}"),
            }
        }
    }

    async fn take(&self, request: JupyterMessage) {
        use JupyterMessageContent as Content;
        if matches!(
            request.content,
            Content::ExecuteRequest(_) | Content::CompleteRequest(_) | Content::InspectRequest(_)
        ) {
            // The cells' thread ends only with the process.
            let _ = self.requests.send(request);
            return;
        }
        self.publisher.message(Status::busy(), &request);
        if matches!(request.content, Content::InterruptRequest(_)) {
            self.interrupter.interrupt();
        }
        if let Some(reply) = answer(&request) {
            let _ = self.replies.send(reply);
        }
        if let Content::CommOpen(open) = &request.content {
            // No widget has a counterpart here.
            let close = CommClose { comm_id: open.comm_id.clone(), ..CommClose::default() };
            self.publisher.message(close, &request);
        }
        self.publisher.message(Status::idle(), &request);
        if let Content::ShutdownRequest(content) = &request.content {
            self.publisher.message(ShutdownReply { restart: content.restart, ..ShutdownReply::default() }, &request);
            // The sockets have no flush: this is the time for the last words to leave.
            tokio::time::sleep(2 * PAUSE).await;
            end();
        }
    }
}

/// The reply to a request that needs no session, if it has one.
fn answer(request: &JupyterMessage) -> Option<JupyterMessage> {
    use JupyterMessageContent as Content;
    let content: Content = match &request.content {
        Content::KernelInfoRequest(_) => kernel_info().into(),
        Content::IsCompleteRequest(content) if code::is_complete(&content.code) => IsCompleteReply::complete().into(),
        Content::IsCompleteRequest(_) => IsCompleteReply::incomplete(String::new()).into(),
        Content::CommInfoRequest(_) => CommInfoReply::default().into(),
        Content::HistoryRequest(_) => HistoryReply::default().into(),
        Content::InterruptRequest(_) => InterruptReply::default().into(),
        Content::ShutdownRequest(content) => {
            ShutdownReply { restart: content.restart, ..ShutdownReply::default() }.into()
        }
        _ => return None,
    };
    Some(JupyterMessage::new(content, Some(request)))
}

fn kernel_info() -> KernelInfoReply {
    KernelInfoReply {
        status: ReplyStatus::Ok,
        protocol_version: "5.3".to_owned(),
        implementation: "mlnotes".to_owned(),
        implementation_version: env!("CARGO_PKG_VERSION").to_owned(),
        language_info: language_info(),
        banner: "Rust (mlnotes), on evcxr".to_owned(),
        help_links: vec![HelpLink {
            text: "The Rust standard library".to_owned(),
            url: "https://doc.rust-lang.org/stable/std/".to_owned(),
        }],
        debugger: false,
        error: None,
    }
}

/// What notebooks store: the committed ones must equal this, or opening one would change it.
fn language_info() -> LanguageInfo {
    LanguageInfo {
        name: "rust".to_owned(),
        version: String::new(),
        mimetype: Some("text/x-rust".to_owned()),
        file_extension: Some(".rs".to_owned()),
        pygments_lexer: Some("rust".to_owned()),
        codemirror_mode: Some(CodeMirrorMode::Simple("rust".to_owned())),
        nbconvert_exporter: None,
    }
}
