//! `polysock ctl`, and the other commands that use a control listener.

mod table;
mod tap;
mod top;
mod transcripts;

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Map, Value, json};
use tokio::runtime::Builder;

use self::table::status;
pub(super) use self::top::Top;
use crate::control::{Address, Client, ClientError, Token};
use crate::exit::Exit;

/// The address and the token of the control listener.
#[derive(Args, Debug)]
pub(crate) struct Where {
    /// Control listener of the server: unix:PATH or HOST:PORT
    #[arg(long, value_name = "ADDR", value_parser = Address::parse, env = "POLYSOCK_CONTROL", default_value = "unix:/run/polysock/control.sock")]
    control: Address,

    /// File with the token of the control listener
    #[arg(long, value_name = "FILE", env = "POLYSOCK_CONTROL_TOKEN_FILE")]
    token_file: Option<PathBuf>,
}

impl Where {
    fn client(self) -> Result<Client, String> {
        Ok(Client {
            address: self.control,
            token: self.token_file.as_deref().map(Token::read).transpose()?,
        })
    }
}

/// Inspect a running server, and change its state
#[derive(Args, Debug)]
pub(crate) struct Ctl {
    #[command(flatten)]
    at: Where,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(subcommand)]
    ask: Request,
}

#[derive(Debug, Subcommand)]
enum Request {
    /// List the open connections
    List(List),
    /// Show one connection
    Show {
        /// ID of the connection, as in the log: a3f9c2-1f
        id: String,
    },
    /// Close one connection, or those that the options select
    Close(Close),
    /// Stop admitting clients, and close all connections
    Drain {
        /// Number of connections to close per second
        #[arg(long, value_name = "COUNT", default_value_t = 100)]
        per_second: u32,
        /// Time limit for closing all connections; they are closed faster if it requires that
        #[arg(long, value_name = "TIME")]
        deadline: Option<String>,
        /// Close code [default: 1001]
        #[arg(long, value_name = "CODE")]
        code: Option<u16>,
    },
    /// Admit clients again
    Undrain,
    /// Read the configuration again
    Reload,
    /// Change the filter of the log for a while
    Log {
        /// Filter of the log, as polysock=debug
        filter: String,
        /// Time until the log is as before
        #[arg(long = "for", value_name = "TIME", default_value = "10m")]
        time: String,
    },
    /// Watch the traffic of connections
    Tap(tap::Tap),
    /// Show statistics of clients: protocols, devices, pages
    Census,
    /// List the clients that were refused last, and what would accept them
    Refusals,
}

/// The options that select connections.
#[derive(Args, Debug)]
struct Chosen {
    /// Select connections of this protocol
    #[arg(long, value_name = "NAME")]
    protocol: Option<String>,
    /// Select connections over this transport: tcp, unix, tls, h2, h2c
    #[arg(long, value_name = "NAME")]
    transport: Option<String>,
    /// Select connections on this route
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// Select connections from this address
    #[arg(long, value_name = "ADDR")]
    peer: Option<String>,
    /// Select connections whose user agent contains this text
    #[arg(long, value_name = "TEXT")]
    user_agent: Option<String>,
    /// Select connections that have been open for at least this time
    #[arg(long, value_name = "TIME")]
    older: Option<String>,
    /// Select connections that have been idle for at least this time
    #[arg(long, value_name = "TIME")]
    idle: Option<String>,
}

impl Chosen {
    /// The filter as JSON.
    fn filter(&self) -> Value {
        let fields = self.fields().into_iter();
        let filter = fields.map(|(name, value)| (name.to_owned(), value.into()));
        Value::Object(filter.collect::<Map<_, _>>())
    }

    fn fields(&self) -> Vec<(&'static str, &str)> {
        let fields = [
            ("protocol", &self.protocol),
            ("transport", &self.transport),
            ("route", &self.route),
            ("peer", &self.peer),
            ("user_agent", &self.user_agent),
            ("older", &self.older),
            ("idle", &self.idle),
        ];
        let fields = fields.into_iter();
        fields
            .filter_map(|(name, value)| Some((name, value.as_deref()?)))
            .collect()
    }
}

#[derive(Args, Debug)]
struct List {
    #[command(flatten)]
    chosen: Chosen,
    /// Sort key: id, age, idle, held, received or sent
    #[arg(long, value_name = "BY", default_value = "id")]
    sort: String,
    /// Maximum number of connections to list
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: usize,
}

#[derive(Args, Debug)]
struct Close {
    /// ID of the connection
    #[arg(required_unless_present = "all")]
    id: Option<String>,
    /// Close all connections that the options select, instead of one
    #[arg(long, conflicts_with = "id")]
    all: bool,
    #[command(flatten)]
    chosen: Chosen,
    /// Close code [default: 1008, or 1012 with --all]
    #[arg(long, value_name = "CODE")]
    code: Option<u16>,
    /// Number of connections to close per second
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    per_second: u32,
    /// Count the connections without closing them
    #[arg(long)]
    dry_run: bool,
}

impl Ctl {
    pub(crate) fn run(self) -> Exit {
        let Self { at, json, ask } = self;
        if let Request::Tap(tap) = ask {
            let tapped = blocking(at, async |client: Client| tap.run(&client, json).await);
            return tapped.unwrap_or_else(|exit| exit);
        }
        let asked = blocking(at, async |client: Client| ask.send(&client).await);
        let answer = match asked {
            Ok(answer) => answer,
            Err(exit) => return exit,
        };
        let text = match json {
            true => format!("{answer:#}\n"),
            false => table::of(&answer),
        };
        print(&text)
    }
}

impl Request {
    async fn send(&self, client: &Client) -> Result<Value, ClientError> {
        let post = |path: &'static str, body: Value| async move {
            client.ask(Method::POST, path, Some(&body)).await
        };
        match self {
            Self::List(list) => {
                let mut query = form_urlencoded::Serializer::new(String::new());
                query.extend_pairs(list.chosen.fields());
                query.append_pair("sort", &list.sort);
                query.append_pair("limit", &list.limit.to_string());
                let path = format!("/connections?{}", query.finish());
                client.ask(Method::GET, &path, None).await
            }
            Self::Show { id } => {
                let path = format!("/connections/{id}");
                client.ask(Method::GET, &path, None).await
            }
            Self::Close(close) => match &close.id {
                Some(id) => {
                    let code = close.code.map(|code| format!("?code={code}"));
                    let path = format!("/connections/{id}{}", code.unwrap_or_default());
                    client.ask(Method::DELETE, &path, None).await
                }
                None => {
                    let body = json!({
                        "filter": close.chosen.filter(),
                        "code": close.code,
                        "per_second": close.per_second,
                        "dry_run": close.dry_run,
                    });
                    post("/connections/close", body).await
                }
            },
            Self::Drain {
                per_second,
                deadline,
                code,
            } => {
                let body = json!({ "per_second": per_second, "deadline": deadline, "code": code });
                post("/drain", body).await
            }
            Self::Undrain => post("/undrain", json!({})).await,
            Self::Reload => post("/reload", json!({})).await,
            Self::Log { filter, time } => {
                let body = json!({ "filter": filter, "for": time });
                client.ask(Method::PUT, "/log", Some(&body)).await
            }
            // A tap has a streamed answer and is handled elsewhere.
            Self::Tap(_) => Ok(Value::Null),
            Self::Census => client.ask(Method::GET, "/census", None).await,
            Self::Refusals => client.ask(Method::GET, "/refusals", None).await,
        }
    }
}

/// Print the status of a running server
#[derive(Args, Debug)]
pub(crate) struct Status {
    #[command(flatten)]
    at: Where,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(crate) fn run(self) -> Exit {
        let asked = blocking(self.at, async |client: Client| {
            client.ask(Method::GET, "/status.json", None).await
        });
        match asked {
            Ok(answer) if self.json => print(&format!("{answer:#}\n")),
            Ok(answer) => print(&status(&answer)),
            Err(exit) => exit,
        }
    }
}

/// Check whether a running server is ready for clients: exit code 0 if it is, 1 if it is not
#[derive(Args, Debug)]
pub(crate) struct Healthcheck {
    #[command(flatten)]
    at: Where,

    /// Check only whether the server is alive, not whether it is ready for clients
    #[arg(long)]
    live: bool,
}

impl Healthcheck {
    pub(crate) fn run(self) -> Exit {
        let path = if self.live { "/livez" } else { "/readyz" };
        let asked = blocking(self.at, async |client: Client| {
            client.text(Method::GET, path, None).await
        });
        match asked {
            Ok(_) => Exit::Ok,
            Err(exit) => exit,
        }
    }
}

/// Sends requests on a runtime of its own, and reports errors.
fn blocking<T>(
    at: Where,
    ask: impl AsyncFnOnce(Client) -> Result<T, ClientError>,
) -> Result<T, Exit> {
    let client = at.client().map_err(|problem| Exit::Usage.with(problem))?;
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Exit::Failed.with(error))?;
    let asked = runtime.block_on(ask(client));
    asked.map_err(|error| Exit::Failed.with(error))
}

fn print(text: &str) -> Exit {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Exit::Ok,
        Err(_) => Exit::Failed,
    }
}
