//! One process for all clients.

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

/// How many bytes may wait between a client and the hub, in each direction.
const BETWEEN: usize = 64 * 1024;

/// How many messages may wait for the process, beside one of each client. Its clients are not read
/// any further then.
const WAITING: usize = 16;

/// The longest message of a process, in bytes: it is held for all clients until it is complete.
const LONGEST: usize = 16 << 20;

/// The longest message of a client: it waits for those of others.
const LONGEST_OF_CLIENT: u64 = 1 << 20;

/// How long a process that has ended is left alone: at first, and at most.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(30)];

/// One that has run for so long has not failed to start.
const RAN: Duration = Duration::from_secs(10);

/// Runs one process for all who join it, from the first on; again, after a pause, whenever it has
/// ended. It is ended when the hub is dropped and all who have joined are gone.
#[derive(Debug)]
pub(super) struct Hub {
    runner: Runner,
    line: Mutex<Option<Line>>,
}

/// The way to the process, and from it.
#[derive(Clone, Debug)]
struct Line {
    said: Broadcast,
    /// What it is to be told.
    input: mpsc::Sender<Message>,
    state: watch::Receiver<State>,
}

/// What has become of the process.
#[derive(Clone, Debug)]
enum State {
    Starting,
    /// It is there, or was until a moment ago.
    Started,
    /// It cannot be started.
    Failed(io::ErrorKind, String),
}

impl Hub {
    pub(super) fn new(runner: Runner) -> Self {
        Self {
            runner,
            line: Mutex::new(None),
        }
    }

    /// Takes part: what is written to the stream is told the process, and what that says is read
    /// from it, framed as by the process itself.
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

    /// The way to the process, which is started for the first.
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

/// Passes on what a client says, and what is said to all.
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

/// Runs the process, over and over, until nobody is left who has joined or may.
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
                        Ok(()) => info!("the shared process has ended, and is started again"),
                        Err(error) => warn!(%error, "the shared process is started again"),
                    },
                    () = tell(writer, runner.codec(), &mut told) => return,
                }
            }
            Err(UpstreamError::Start { program, error }) => {
                warn!(program, %error, "the shared process cannot be started");
                state.send_replace(State::Failed(error.kind(), error.to_string()));
            }
            // The one before has not gone yet.
            Err(_) => {}
        }
        if began.elapsed() >= RAN {
            pause = first;
        }
        sleep(pause).await;
        pause = pause.saturating_mul(2).min(longest);
    }
}

/// Tells a process all that is said to it, until nobody is left who could say more.
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
            // How it ended is heard where it is read.
            pending::<()>().await;
        }
    }
}

/// Publishes what a process says, until it says no more.
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
