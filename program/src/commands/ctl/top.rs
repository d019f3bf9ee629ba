//! `polysock top`.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use clap::Args;
use hyper::Method;

use super::table::{connections, status};
use super::{Where, blocking};
use crate::control::{Client, ClientError};
use crate::exit::Exit;
use crate::flags::values;

/// Watch a running server
#[derive(Args, Debug)]
pub(crate) struct Top {
    #[command(flatten)]
    at: Where,

    /// How often it is asked
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "2s")]
    every: Duration,

    /// How often in all, before it ends by itself
    #[arg(long, value_name = "COUNT")]
    times: Option<u64>,

    /// By what the connections are sorted: age, idle, held, received or sent
    #[arg(long, value_name = "BY", default_value = "received")]
    sort: String,
}

/// Moves to the beginning, and erases what is below.
const HOME: &str = "\x1b[H\x1b[J";

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
                let mut out = std::io::stdout();
                let home = if out.is_terminal() { HOME } else { "" };
                let text = format!("{home}{}\n{}", status(&state), connections(&list));
                if out.write_all(text.as_bytes()).is_err() {
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
