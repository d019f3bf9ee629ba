//! A process that all clients share.

use std::future::pending;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use bytestring::ByteString;
use polysock_protocols::{
    Codec, Event, Kind, Message, ProtocolError, Role, SessionConfig, WriteBuf,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::Runner;
use super::process::Process;
use super::supervisor::spawn_aside;
use crate::broadcast::{Broadcast, Queue, Subscription};
use crate::connection::{Connection, ConnectionOptions};
use crate::upstream::UpstreamError;

/// The number of bytes that may wait between a client and the hub, in each direction.
const BETWEEN: usize = 64 * 1024;

/// The number of messages that may wait for the process, besides one of each client. Clients are
/// not read while it is reached.
const WAITING: usize = 16;

/// The longest message of a process, in bytes. The message is buffered until it is complete,
/// because all clients get it whole.
const LONGEST: usize = 16 << 20;

/// The longest message of a client, in bytes. The message may have to wait for those of other
/// clients.
const LONGEST_OF_CLIENT: u64 = 1 << 20;

/// The pause before a process is started again: the first and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(30)];

/// The running time after which the next pause is the first again.
const RAN: Duration = Duration::from_secs(10);

/// A process that all clients share. The process is started for the first client, and again after a
/// pause whenever it has ended. The process ends when the hub is dropped and all clients have
/// disconnected.
#[derive(Debug)]
pub(super) struct Hub {
    runner: Runner,
    line: Mutex<Option<Line>>,
}

/// The channels to and from the process.
#[derive(Clone, Debug)]
struct Line {
    said: Broadcast,
    /// The messages for the process.
    input: mpsc::Sender<Message>,
    state: watch::Receiver<State>,
}

/// The state of the process.
#[derive(Clone, Debug)]
enum State {
    Starting,
    /// The process is running, or was until a moment ago.
    Started,
    /// The process cannot be started.
    Failed(io::ErrorKind, String),
}

impl Hub {
    pub(super) fn new(runner: Runner) -> Self {
        Self {
            runner,
            line: Mutex::new(None),
        }
    }

    /// Connects a client to the process. Bytes written to the stream go to the process, and its
    /// output is read from the stream, with the same framing as that of the process.
    pub(super) async fn join(&self) -> Result<DuplexStream, UpstreamError> {
        let mut line = self.line()?;
        let failed = |error| UpstreamError::Start {
            program: self.runner.words.first().cloned().unwrap_or_default(),
            error,
        };
        let state = line
            .state
            .wait_for(|state| !matches!(state, State::Starting));
        match &*state
            .await
            .map_err(|_| failed(io::ErrorKind::BrokenPipe.into()))?
        {
            State::Failed(kind, text) => return Err(failed(io::Error::new(*kind, text.clone()))),
            State::Starting | State::Started => {}
        }
        let (theirs, ours) = duplex(BETWEEN);
        let session = SessionConfig {
            max_message: LONGEST_OF_CLIENT,
            ..SessionConfig::default()
        };
        let options = ConnectionOptions {
            session,
            ..ConnectionOptions::new("exec", Role::Server)
        };
        let connection = Connection::over(ours, self.runner.codec(), options);
        let said = line.said.subscribe(Queue::default());
        spawn_aside(take_part(connection, said, line.input)).map_err(failed)?;
        Ok(theirs)
    }

    /// Returns the channels of the process. The first call starts it.
    fn line(&self) -> Result<Line, UpstreamError> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = &*line {
            return Ok(line.clone());
        }
        let (input, told) = mpsc::channel(WAITING);
        let (tell, state) = watch::channel(State::Starting);
        let new = Line {
            said: Broadcast::new(),
            input,
            state,
        };
        spawn_aside(run(self.runner.clone(), new.said.clone(), told, tell))?;
        Ok(line.insert(new).clone())
    }
}

/// Passes the messages of a client to the process, and the published messages to the client.
async fn take_part(
    mut connection: Connection,
    mut said: Subscription,
    input: mpsc::Sender<Message>,
) {
    while let Some(Ok(message)) = said.next(&mut connection).await {
        if input.send(message).await.is_err() {
            return;
        }
    }
}

/// Runs the process over and over, until the hub is dropped and all clients have disconnected.
async fn run(
    runner: Runner,
    said: Broadcast,
    mut told: mpsc::Receiver<Message>,
    state: watch::Sender<State>,
) {
    let [first, longest] = PAUSES;
    let mut pause = first;
    while !told.is_closed() {
        let began = Instant::now();
        match runner.run(None).await {
            Ok(process) => {
                state.send_replace(State::Started);
                let (reader, writer) = split(process);
                tokio::select! {
                    result = hear(reader, runner.codec(), &said) => match result {
                        Ok(()) => info!("the shared process has ended and is restarted"),
                        Err(error) => warn!(%error, "the shared process failed and is restarted"),
                    },
                    () = tell(writer, runner.codec(), &mut told) => return,
                }
            }
            Err(UpstreamError::Start { program, error }) => {
                warn!(program, %error, "the shared process cannot be started");
                state.send_replace(State::Failed(error.kind(), error.to_string()));
            }
            // The previous process has not been reaped yet.
            Err(_) => {}
        }
        if began.elapsed() >= RAN {
            pause = first;
        }
        sleep(pause).await;
        pause = pause.saturating_mul(2).min(longest);
    }
}

/// Writes all messages for a process, until no client is left and the hub is dropped.
async fn tell(
    mut writer: WriteHalf<Process>,
    mut codec: Box<dyn Codec>,
    told: &mut mpsc::Receiver<Message>,
) {
    let mut waiting = WriteBuf::new();
    while let Some(message) = told.recv().await {
        if codec
            .encode(Event::Data(message.into()), &mut waiting)
            .is_err()
        {
            continue;
        }
        if writer.write_all_buf(&mut waiting).await.is_err() {
            // The end of the process is reported by the side that reads.
            pending::<()>().await;
        }
    }
}

/// Publishes the messages of a process until its output ends.
async fn hear(
    mut reader: ReadHalf<Process>,
    mut codec: Box<dyn Codec>,
    said: &Broadcast,
) -> io::Result<()> {
    let (mut src, mut message) = (BytesMut::new(), BytesMut::new());
    loop {
        while let Some(event) = codec.decode(&mut src).map_err(io::Error::other)? {
            let Event::Data(piece) = event else { continue };
            check_length(message.len(), piece.payload.len())?;
            message.extend_from_slice(&piece.payload);
            if piece.end {
                let payload = message.split().freeze();
                said.publish(match piece.kind {
                    Kind::Binary => Message::Binary(payload),
                    Kind::Text => {
                        Message::Text(ByteString::try_from(payload).map_err(io::Error::other)?)
                    }
                });
            }
        }
        let announced = codec.announced().unwrap_or_default();
        check_length(
            message.len(),
            usize::try_from(announced).unwrap_or(usize::MAX),
        )?;
        if reader.read_buf(&mut src).await? == 0 {
            return Ok(());
        }
    }
}

fn check_length(so_far: usize, more: usize) -> io::Result<()> {
    if so_far.saturating_add(more) > LONGEST {
        let limit = LONGEST as u64;
        return Err(io::Error::other(ProtocolError::MessageTooLong { limit }));
    }
    Ok(())
}
