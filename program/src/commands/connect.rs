//! `polysock connect`.

use std::io::Write;

use bytes::Bytes;
use clap::Args;
use futures_util::{SinkExt, StreamExt};
use polysock::{Close, CloseCode, Connection, ConnectionError, Message};
use tokio::io::{AsyncBufReadExt, BufReader, Stdin};
use tokio::sync::mpsc::{self, Receiver};
use tracing::warn;

use crate::exit::Exit;
use crate::flags::dial::DialFlags;
use crate::flags::server::ServerFlags;

/// Connect to a WebSocket server in any protocol, send lines of stdin, and print messages
///
/// Closes the connection at the end of stdin. Exit codes: 0 closed normally, 2 wrong usage, 3 no
/// connection or refused, 4 closed abnormally.
#[derive(Args, Debug)]
pub(crate) struct Connect {
    #[command(flatten)]
    server: ServerFlags,

    #[command(flatten)]
    dial: DialFlags,

    /// Send stdin as binary messages, as it is read, and write messages without line ends
    #[arg(long)]
    binary: bool,
}

impl Connect {
    pub(crate) fn run(self) -> Exit {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        match runtime {
            Ok(runtime) => {
                let exit = runtime.block_on(self.talk());
                // A blocking read of stdin cannot be cancelled.
                runtime.shutdown_background();
                exit
            }
            Err(error) => Exit::Failed.with(error),
        }
    }

    async fn talk(self) -> Exit {
        let upstream = match self.server.server(self.dial.compression) {
            Ok(upstream) => upstream,
            Err(problem) => return Exit::Usage.with(problem),
        };
        let connection = match upstream.dial(self.dial.dial()).await {
            Ok(connection) => connection,
            Err(error) => return Exit::Refused.with(error),
        };
        let input = read_stdin(self.binary);
        match exchange(connection, input, !self.binary).await {
            Ok(exit) => exit,
            Err(error) => Exit::Closed.with(error),
        }
    }
}

/// The number of messages read ahead of the connection.
const AHEAD: usize = 16;

/// Reads stdin in a task of its own, so that a message from the server does not discard a line that
/// is half read.
fn read_stdin(binary: bool) -> Receiver<std::io::Result<Message>> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let mut stdin = BufReader::new(tokio::io::stdin());
        while let Some(message) = read_message(&mut stdin, binary).await.transpose() {
            if sender.send(message).await.is_err() {
                break;
            }
        }
    });
    receiver
}

/// Reads a line of text, or some bytes in binary mode; `None` at the end of the input.
async fn read_message(
    stdin: &mut BufReader<Stdin>,
    binary: bool,
) -> std::io::Result<Option<Message>> {
    if binary {
        let bytes = Bytes::copy_from_slice(stdin.fill_buf().await?);
        stdin.consume(bytes.len());
        return Ok((!bytes.is_empty()).then_some(Message::Binary(bytes)));
    }
    let mut line = String::new();
    if stdin.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Ok(Some(line.strip_suffix('\r').unwrap_or(line).into()))
}

/// Sends the input and writes the received messages until the connection has ended. The end of the
/// input closes the connection.
async fn exchange(
    mut connection: Connection,
    mut input: Receiver<std::io::Result<Message>>,
    lines: bool,
) -> Result<Exit, ConnectionError> {
    let mut stdout = std::io::stdout();
    let mut open = true;
    loop {
        tokio::select! {
            message = connection.next() => match message.transpose()? {
                Some(message) => {
                    stdout.write_all(message.as_bytes())?;
                    if lines {
                        stdout.write_all(b"\n")?;
                    }
                    stdout.flush()?;
                }
                None => break,
            },
            message = input.recv(), if open => match message {
                Some(message) => connection.send(message?).await?,
                // Messages that the server sends before its close are still written.
                None => {
                    open = false;
                    connection.start_close(Some(CloseCode::NORMAL.into()));
                }
            },
        }
    }
    Ok(ended(&connection))
}

/// Maps the end of a connection to an exit code.
fn ended(connection: &Connection) -> Exit {
    let Some(closed) = connection.closed() else {
        return Exit::Closed;
    };
    let regular = match &closed.close {
        None => true,
        Some(close) => [CloseCode::NORMAL, CloseCode::GOING_AWAY].contains(&close.code),
    };
    if regular && closed.clean {
        return Exit::Ok;
    }
    if let Some(Close { code, reason }) = &closed.close {
        warn!("closed with {code} {reason}");
    }
    Exit::Closed
}
