//! The targets of routes.

use std::path::{Path, PathBuf};

use polysock::protocols::hide_secrets;
use serde_json::{Value, json};

use super::form::{Form, quoted};
use super::node::Node;
use super::reader::Reader;
use super::server::Server;
use super::url;
use crate::flags::server::{any_size, web_server};

/// The target of a route.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Target {
    /// The `[upstream.NAME]` of this name.
    Upstream(String),
    /// The `targets` of a route, which have no name.
    Servers(Vec<Server>),
    /// The URL of a server, as `ws://HOST`. It may contain parameters from the route's path, as
    /// `tcp://{token}`.
    Url(String),
    /// A web app that receives WebSockets as requests: `http+grip://HOST`.
    Grip(String),
    /// The static files of a directory: `file:DIR`.
    Files(PathBuf),
    /// A command: `exec:COMMAND`.
    Exec(String),
    /// A built-in application: `app:NAME`.
    App(App),
    /// The built-in broadcast on a named channel: `app:broadcast/NAME`.
    Broadcast(String),
}

/// A built-in application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum App {
    Echo,
    Chat,
    Broadcast,
    Wamp,
}

const APPS: [(&str, App); 4] = [
    ("chat", App::Chat),
    ("echo", App::Echo),
    ("broadcast", App::Broadcast),
    ("wamp", App::Wamp),
];

impl Target {
    /// Parses the target in an argument of the command line. A URL is checked later, when its
    /// upstream is made.
    pub(crate) fn of_argument(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("file" | "exec" | "app" | "http+grip" | "https+grip", _)) => {
                Self::read(text, &Reader::new(Path::new(""), ""))
            }
            _ => Ok(Self::Url(text.to_owned())),
        }
    }

    fn read(text: &str, reader: &Reader) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once(':') else {
            return match is_name(text) {
                true => Ok(Self::Upstream(text.to_owned())),
                false => Err(format!("write {TARGETS}")),
            };
        };
        match scheme {
            "file" if rest.is_empty() => Err("the directory is missing: write file:DIR".to_owned()),
            "file" => Ok(Self::Files(reader.resolve(rest))),
            "exec" if rest.trim().is_empty() => {
                Err("the command is missing: write exec:COMMAND".to_owned())
            }
            "exec" => Ok(Self::Exec(rest.trim().to_owned())),
            "http+grip" | "https+grip" => {
                let url = web_app(text);
                match web_server(&url, any_size())? {
                    Some(_) => Ok(Self::Grip(text.to_owned())),
                    None => Err("write http+grip://HOST:PORT, or https+grip://…".to_owned()),
                }
            }
            "app" if rest.starts_with("broadcast/") => match rest.split_once('/') {
                Some((_, name)) if !name.is_empty() => Ok(Self::Broadcast(name.to_owned())),
                _ => Err("the channel is missing: write app:broadcast/NAME".to_owned()),
            },
            "app" => {
                let app = APPS.into_iter().find(|(name, _)| *name == rest);
                let app = app.ok_or(
                    "write app:chat, app:echo, app:broadcast, app:broadcast/CHANNEL or app:wamp",
                );
                Ok(Self::App(app?.1))
            }
            _ => url::read(text, reader).map(Self::Url),
        }
    }

    /// Formats the target in the form in which it is parsed, with secrets masked.
    fn shown(&self) -> Option<String> {
        Some(match self {
            Self::Servers(_) => return None,
            Self::Upstream(name) => name.clone(),
            Self::Url(url) | Self::Grip(url) => hide_secrets(url).into_owned(),
            Self::Broadcast(channel) => format!("app:broadcast/{channel}"),
            Self::Files(directory) => format!("file:{}", directory.display()),
            Self::Exec(command) => format!("exec:{}", hide_secrets(command)),
            Self::App(app) => {
                let name = APPS.into_iter().find(|(_, other)| other == app);
                format!("app:{}", name?.0)
            }
        })
    }
}

/// The URL of a GRIP web app, for ordinary requests.
pub(crate) fn web_app(url: &str) -> String {
    url.replacen("+grip:", ":", 1)
}

/// True if an `[upstream.NAME]` may have this name.
pub(super) fn is_name(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.chars().all(is_letter)
}

/// The form of a target.
pub(super) struct Targets;

impl Form<Target> for Targets {
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<Target> {
        let word = node.word(&mut reader.problems)?;
        match Target::read(&word, reader) {
            Ok(target) => Some(target),
            Err(mend) => {
                node.unfit(mend, &mut reader.problems);
                None
            }
        }
    }

    fn write(&self, value: &Target) -> Option<String> {
        value.shown().map(|shown| quoted(&shown))
    }

    fn schema(&self) -> Value {
        json!({ "type": "string" })
    }
}

const TARGETS: &str = "a URL, as ws://HOST:PORT, file:DIR, exec:COMMAND, app:chat, or the NAME of an \
                       [upstream.NAME]";
