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

/// Where the control listener is.
#[derive(Args, Debug)]
pub(crate) struct Where {
    /// The control listener of the server: unix:PATH or HOST:PORT
    #[arg(long, value_name = "ADDR", value_parser = Address::parse, env = "POLYSOCK_CONTROL", default_value = "unix:/run/polysock/control.sock")]
    control: Address,

    /// A file with its token
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

/// Ask a running server how it goes, and change things
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
    /// The open connections
    List(List),
    /// One of them
    Show {
        /// What it is called in the log: a3f9c2-1f
        id: String,
    },
    /// Close one connection, or those that are chosen
    Close(Close),
    /// Let nobody in any more, and close all connections
    Drain {
        /// How many a second
        #[arg(long, value_name = "COUNT", default_value_t = 100)]
        per_second: u32,
        /// By when all are closed: they are closed faster, where that takes it
        #[arg(long, value_name = "TIME")]
        deadline: Option<String>,
        /// The close code
        #[arg(long, value_name = "CODE")]
        code: Option<u16>,
    },
    /// Let clients in again
    Undrain,
    /// Read the configuration again
    Reload,
    /// Log something else for a while
    Log {
        /// What, as polysock=debug
        filter: String,
        /// For how long
        #[arg(long = "for", value_name = "TIME", default_value = "10m")]
        time: String,
    },
    /// Look at what comes and goes on connections
    Tap(tap::Tap),
    /// Who comes: protocols, devices, pages
    Census,
    /// Who was refused last, and what would accept them
    Refusals,
}

/// Which connections.
#[derive(Args, Debug)]
struct Chosen {
    /// Those of this protocol
    #[arg(long, value_name = "NAME")]
    protocol: Option<String>,
    /// Those that this carries: tcp, unix, tls, h2, h2c
    #[arg(long, value_name = "NAME")]
    transport: Option<String>,
    /// Those that came by this route
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// Those from this address
    #[arg(long, value_name = "ADDR")]
    peer: Option<String>,
    /// Those whose user agent has this in it
    #[arg(long, value_name = "TEXT")]
    user_agent: Option<String>,
    /// Those that are open for this long, or longer
    #[arg(long, value_name = "TIME")]
    older: Option<String>,
    /// Those that are idle for this long, or longer
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
    /// By what they are sorted: id, age, idle, held, received or sent
    #[arg(long, value_name = "BY", default_value = "id")]
    sort: String,
    /// How many are listed
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: usize,
}

#[derive(Args, Debug)]
struct Close {
    /// The connection
    #[arg(required_unless_present = "all")]
    id: Option<String>,
    /// Those that are chosen by the options, instead of one
    #[arg(long, conflicts_with = "id")]
    all: bool,
    #[command(flatten)]
    chosen: Chosen,
    /// The close code
    #[arg(long, value_name = "CODE")]
    code: Option<u16>,
    /// How many a second
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    per_second: u32,
    /// Only count them
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

/// Say how a running server goes
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

/// Say by the exit code whether a running server is there for clients: 0 if it is, 1 if it is not
#[derive(Args, Debug)]
pub(crate) struct Healthcheck {
    #[command(flatten)]
    at: Where,

    /// Ask only whether it lives, and not whether clients may be sent there
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
