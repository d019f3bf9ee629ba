//! The sessions of a web app: `[session.NAME]`.

use std::path::PathBuf;
use std::time::Duration;

use polysock::protocols::hide_secrets;
use polysock_web::Serializer;
use serde_json::{Value, json};

use super::form::{Choice, Form, List, Maybe, Word, quoted};
use super::key::Key;
#[cfg(feature = "tls")]
use super::key::Section;
use super::node::Node;
use super::reader::Reader;
#[cfg(feature = "tls")]
use super::upstream_tls::{self, UpstreamTls};
use super::words::{Place, duration, optional_duration, text};
use crate::flags::server::{any_size, web_server};

/// The location and the format of a web app's sessions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Session {
    /// The URL of the store or app; `None` if sessions are in cookies.
    pub(crate) url: Option<String>,
    pub(crate) format: Format,
    /// The name of the cookie; `None` for that of the format.
    pub(crate) cookie: Option<String>,
    /// The prefix of a session ID in the store; `None` for that of the format and the store.
    pub(crate) prefix: Option<String>,
    /// The files of the secrets that sign cookies.
    pub(crate) keys: Vec<PathBuf>,
    /// The lifetime of a session, if the store does not have one.
    pub(crate) lifetime: Option<Duration>,
    /// The timeout of reading a session.
    pub(crate) timeout: Duration,
    /// The interval at which a session is read again; `None` for never.
    pub(crate) recheck: Option<Duration>,
    /// The TLS settings of connections to a web app that provides sessions.
    #[cfg(feature = "tls")]
    pub(crate) tls: UpstreamTls,
}

/// The format of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Php(Serializer),
    Express,
    Django,
    CookieSession,
}

/// The condition that a client has to meet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Required {
    #[default]
    Nothing,
    Session,
    /// A session with a value at this path.
    Value(String),
}

impl Default for Session {
    fn default() -> Self {
        Self {
            url: None,
            format: Format::Php(Serializer::Php),
            cookie: None,
            prefix: None,
            keys: Vec::new(),
            lifetime: None,
            timeout: Duration::from_secs(2),
            recheck: None,
            #[cfg(feature = "tls")]
            tls: UpstreamTls::default(),
        }
    }
}

impl Session {
    /// The scheme of the URL.
    pub(crate) fn scheme(&self) -> Option<&str> {
        let (scheme, _) = self.url.as_deref()?.split_once(':')?;
        Some(scheme)
    }

    /// True if sessions are requested from a web app.
    pub(crate) fn is_asked(&self) -> bool {
        matches!(self.scheme(), Some("http" | "https"))
    }

    /// Finds a key that does not fit the others. Returns the key, the problem and the remedy.
    pub(super) fn problem(&self) -> Option<(&'static str, &'static str, &'static str)> {
        let is_php = matches!(self.format, Format::Php(_));
        let has_keys = !self.keys.is_empty();
        let scheme = self.scheme();
        let is_sql = matches!(scheme, Some("sqlite" | "postgres" | "postgresql"));
        if self.is_asked() {
            return [
                (self.cookie.is_some(), "cookie"),
                (self.prefix.is_some(), "prefix"),
                (has_keys, "key"),
                (self.lifetime.is_some(), "lifetime"),
            ]
            .into_iter()
            .find_map(|(is_there, key)| is_there.then_some(key))
            .map(|key| {
                let what = "this has no effect: the app at an http: or https: `url` reads the cookies itself";
                (key, what, "leave it out")
            });
        }
        if scheme.is_none() && (is_php || self.format == Format::Express) {
            let mend =
                "add a line as url = \"files:/var/lib/php/sessions\" or \"redis://127.0.0.1:6379\"";
            return Some((
                "url",
                "the storage of these sessions is not configured",
                mend,
            ));
        }
        if scheme.is_some() && self.format == Format::CookieSession {
            let what = "cookie-session keeps sessions in cookies and has no store";
            return Some(("url", what, "leave it out"));
        }
        if !is_php && !has_keys {
            let what = "the secret that signs the cookies is missing";
            let mend = "add a line as key = \"/etc/polysock/session.key\", a file with the secret of the app";
            return Some(("key", what, mend));
        }
        if is_php && has_keys {
            let what = "`key` has no effect: PHP does not sign its cookies";
            return Some(("key", what, "leave it out"));
        }
        if self.prefix.is_some() && !matches!(scheme, Some("redis" | "redis+unix" | "memcached")) {
            let what = "`prefix` has no effect: only keys in redis: and memcached: have a prefix";
            return Some(("prefix", what, "leave it out"));
        }
        let has_lifetime = scheme == Some("files") || scheme.is_none();
        if self.lifetime.is_some() && (!has_lifetime || self.format == Format::CookieSession) {
            let what = "`lifetime` has no effect: the store itself knows when a session expires";
            return Some(("lifetime", what, "leave it out"));
        }
        if is_sql && self.format == Format::Express {
            let what = "only the SQLite and PostgreSQL tables of Symfony and Django can be read";
            return Some((
                "url",
                what,
                "use redis: or memcached:, or an http: URL at which the app answers",
            ));
        }
        None
    }
}

/// The keys of `[session.NAME]`.
pub(super) fn keys() -> Vec<Key<Session>> {
    let mut keys = vec![
        Key::new(
            "url",
            Maybe(StoreUrl),
            |session: &mut Session| &mut session.url,
            "The store of the sessions: \"files:DIR\" (as PHP's save_path, also \"files:DEPTH;DIR\"), \
             \"redis://HOST:PORT/DATABASE\", \"memcached://HOST:PORT\", or, in a build with the feature sqlite or \
             postgres, \"sqlite:FILE\" or \"postgres://HOST/DATABASE\", to which # and a table may be appended; or the \
             http: or https: URL of a web app that is asked for the session. Default: sessions are in cookies.",
        )
        .example("\"files:/var/lib/php/sessions\""),
        Key::new(
            "format",
            Choice(&[
                ("php", Format::Php(Serializer::Php)),
                ("php_binary", Format::Php(Serializer::PhpBinary)),
                ("php_serialize", Format::Php(Serializer::PhpSerialize)),
                ("express", Format::Express),
                ("django", Format::Django),
                ("cookie-session", Format::CookieSession),
            ]),
            |session| &mut session.format,
            "The format of the sessions: that of PHP, by its session.serialize_handler (\"php\", \"php_binary\" or \
             \"php_serialize\"), \"express\" (express-session), \"django\" (in signed cookies if there is no url), or \
             \"cookie-session\". A web app that is asked answers with JSON.",
        ),
        Key::new(
            "cookie",
            Maybe(text()),
            |session: &mut Session| &mut session.cookie,
            "The name of the cookie. Default: PHPSESSID, connect.sid, sessionid or session, depending on the format.",
        )
        .example("\"PHPSESSID\""),
        Key::new(
            "prefix",
            Maybe(text()),
            |session: &mut Session| &mut session.prefix,
            "The prefix of session IDs in Redis and memcached: \"sf_s\" and \"sf2s\" for Symfony. Default: that of \
             php-redis, php-memcached or connect-redis.",
        )
        .example("\"PHPREDIS_SESSION:\""),
        Key::new(
            "key",
            List(Place),
            |session: &mut Session| &mut session.keys,
            "The files of the secrets with which the app signs cookies, the current one first.",
        ),
        Key::new(
            "lifetime",
            Maybe(duration()),
            |session: &mut Session| &mut session.lifetime,
            "The maximum age of a session file (session.gc_maxlifetime), or of a signed cookie of Django. Default: 24m \
             for files and two weeks for cookies, as in PHP and Django.",
        )
        .example("\"24m\""),
        Key::new(
            "timeout",
            duration(),
            |session| &mut session.timeout,
            "The time limit for reading a session.",
        ),
        Key::new(
            "recheck",
            optional_duration(),
            |session| &mut session.recheck,
            "The interval at which the session of an open connection is read again, or \"none\". The connection is \
             closed with 1008 when the session has ended, or when the value that `require_session` names has changed.",
        ),
    ];
    keys.extend(tls());
    keys
}

#[cfg(feature = "tls")]
fn tls() -> Option<Key<Session>> {
    Some(Key::new(
        "tls",
        Section {
            title: "`tls`",
            keys: upstream_tls::keys,
        },
        |session: &mut Session| &mut session.tls,
        "The TLS settings for an https:// `url`.",
    ))
}

#[cfg(not(feature = "tls"))]
fn tls() -> Option<Key<Session>> {
    None
}

/// The form of a session's name, or `none`.
pub(super) fn name() -> Word<Option<String>> {
    Word {
        read: |text| Ok((text != "none").then(|| text.to_owned())),
        write: |name| Some(quoted(name.as_deref().unwrap_or("none"))),
        schema: || json!({ "type": "string" }),
    }
}

/// The form of a condition: `true`, `false`, or the path of a value.
pub(super) fn required() -> Word<Required> {
    Word {
        read: |text| match text {
            "true" | "on" => Ok(Required::Session),
            "false" | "off" => Ok(Required::Nothing),
            "" => Err("write true or false, or the name of a value, as \"user_id\"".to_owned()),
            path => Ok(Required::Value(path.to_owned())),
        },
        write: |required| {
            Some(match required {
                Required::Nothing => "false".to_owned(),
                Required::Session => "true".to_owned(),
                Required::Value(path) => quoted(path),
            })
        },
        schema: || json!({ "anyOf": [{ "type": "boolean" }, { "type": "string" }] }),
    }
}

/// The form of a store's URL.
struct StoreUrl;

const SCHEMES: &str = "write files:DIR, redis://HOST:PORT, memcached://HOST:PORT, sqlite:FILE, postgres://HOST/DATABASE, \
     http://HOST/PATH or https://…";

impl Form<String> for StoreUrl {
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<String> {
        let word = node.word(&mut reader.problems)?;
        match read(&word, reader) {
            Ok(url) => Some(url),
            Err(mend) => {
                node.unfit(mend, &mut reader.problems);
                None
            }
        }
    }

    fn write(&self, value: &String) -> Option<String> {
        Some(quoted(&hide_secrets(value)))
    }

    fn schema(&self) -> Value {
        json!({ "type": "string" })
    }
}

fn read(url: &str, reader: &Reader) -> Result<String, String> {
    let (scheme, rest) = url.split_once(':').ok_or(SCHEMES)?;
    match scheme {
        "files" => {
            let (depth, folder) = match rest.rsplit_once(';') {
                Some((depth, folder)) => (format!("{depth};"), folder),
                None => (String::new(), rest),
            };
            let folder = reader.resolve(folder);
            let folder = std::path::absolute(&folder).map_err(|error| error.to_string())?;
            let save_path = format!("{depth}{}", folder.display());
            polysock_web::Files::new(&save_path).map_err(|error| error.to_string())?;
            Ok(format!("files:{save_path}"))
        }
        "redis" | "redis+unix" => redis(url).map(|()| url.to_owned()),
        "memcached" => {
            let address = rest.strip_prefix("//").unwrap_or_default();
            let port = address
                .rsplit_once(':')
                .map(|(_, port)| port.parse::<u16>());
            match port {
                Some(Ok(1..)) => Ok(url.to_owned()),
                _ => Err("write memcached://HOST:PORT, as memcached://127.0.0.1:11211".to_owned()),
            }
        }
        "sqlite" if cfg!(feature = "sqlite") => {
            let (file, table) = rest.split_once('#').unwrap_or((rest, ""));
            let mark = if table.is_empty() { "" } else { "#" };
            let file = reader.resolve(file);
            Ok(format!("sqlite:{}{mark}{table}", file.display()))
        }
        "postgres" | "postgresql" if cfg!(feature = "postgres") => Ok(url.to_owned()),
        "sqlite" | "postgres" | "postgresql" => Err(format!(
            "this build does not support it: build with the feature `{}`",
            scheme.trim_end_matches("ql")
        )),
        "http" | "https" => match web_server(url, any_size())? {
            Some(_) => Ok(url.to_owned()),
            None => Err(SCHEMES.to_owned()),
        },
        _ => Err(SCHEMES.to_owned()),
    }
}

#[cfg(feature = "redis")]
fn redis(url: &str) -> Result<(), String> {
    let redis = polysock_web::Redis::new(url);
    redis.map(drop).map_err(|error| error.to_string())
}

#[cfg(not(feature = "redis"))]
fn redis(_: &str) -> Result<(), String> {
    Err("this build does not support it: build with the feature `redis`".to_owned())
}
