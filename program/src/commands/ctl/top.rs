//! `polysock top`.

use std::io::{IsTerminal, Write, stdout};
use std::time::Duration;

use clap::Args;
use hyper::Method;
use rustix::termios::tcgetwinsize;

use super::table::{connections, status};
use super::{Where, blocking};
use crate::control::{Client, ClientError};
use crate::exit::Exit;
use crate::flags::values;

/// Watch the status and the connections of a running server
#[derive(Args, Debug)]
pub(crate) struct Top {
    #[command(flatten)]
    at: Where,

    /// Time between two updates
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "2s")]
    every: Duration,

    /// Number of updates before the command ends [default: unlimited]
    #[arg(long, value_name = "COUNT")]
    times: Option<u64>,

    /// Sort key of the connections: age, idle, held, received or sent
    #[arg(long, value_name = "BY", default_value = "received")]
    sort: String,
}

/// Moves the cursor to the top left corner.
const HOME: &str = "\x1b[H";

/// Erases the rest of a line, and the rest of the screen.
const REST_OF_LINE: &str = "\x1b[K";
const REST_OF_SCREEN: &str = "\x1b[J";

impl Top {
    pub(crate) fn run(self) -> Exit {
        let Self {
            at,
            every,
            times,
            sort,
        } = self;
        let path = format!("/connections?limit=20&sort={sort}");
        let watched = blocking(at, async |client: Client| {
            let mut left = times.unwrap_or(u64::MAX);
            while left > 0 {
                left -= 1;
                let state = client.ask(Method::GET, "/status.json", None).await?;
                let list = client.ask(Method::GET, &path, None).await?;
                let text = format!("{}\n{}", status(&state), connections(&list));
                let mut out = stdout();
                let text = if out.is_terminal() {
                    screen(&text)
                } else {
                    text
                };
                if out
                    .write_all(text.as_bytes())
                    .and_then(|()| out.flush())
                    .is_err()
                {
                    break;
                }
                if left > 0 {
                    tokio::time::sleep(every).await;
                }
            }
            Ok::<_, ClientError>(())
        });
        match watched {
            Ok(()) => Exit::Ok,
            Err(exit) => exit,
        }
    }
}

/// Fits a text to the terminal: cuts off lines and columns, so that nothing scrolls.
fn screen(text: &str) -> String {
    let size = tcgetwinsize(stdout()).ok();
    let size = size.map(|size| (usize::from(size.ws_row), usize::from(size.ws_col)));
    // A terminal without a known size is treated as unlimited.
    let size = size.filter(|(rows, columns)| *rows > 0 && *columns > 0);
    let (rows, columns) = size.unwrap_or((usize::MAX, usize::MAX));
    fitted(text, rows, columns)
}

fn fitted(text: &str, rows: usize, columns: usize) -> String {
    // The cursor needs the last row.
    let lines = text.lines().take(rows.saturating_sub(1));
    let mut screen = HOME.to_owned();
    for line in lines {
        screen.extend(line.chars().take(columns));
        screen += REST_OF_LINE;
        screen.push('\n');
    }
    screen + REST_OF_SCREEN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_cut_to_the_size_of_the_terminal() {
        let expected = "\x1b[Habc\x1b[K\nf\x1b[K\n\x1b[J";
        assert_eq!(fitted("abcde\nf\ng\n", 3, 3), expected);
        assert_eq!(
            fitted("a\n", usize::MAX, usize::MAX),
            "\x1b[Ha\x1b[K\n\x1b[J"
        );
    }
}
