//! The reference file with every key and its default.

use std::fmt::Write;

use super::bus::{self, BusSection};
use super::control::{self, ControlSection};
use super::form::Part;
use super::key::Key;
use super::listener::{self, Listener};
use super::log;
use super::process::{self, Process};
use super::publish::{self, PublishSection};
use super::route::{self, Draft};
use super::session::{self, Session};
use super::settings::Settings;
use super::settings_keys;
use super::upstream::{self, Upstream};
use super::zmq::{self, ZmqSection};

/// Returns a file with every key and its default, as documentation. The file is valid, also with
/// all keys uncommented.
pub(crate) fn reference() -> String {
    let mut text = Text(String::new());
    text.prose(HEAD);
    text.0.push('\n');
    text.keys(&process::keys(), &mut Process::default(), &[]);

    text.title("The control listener, through which operators monitor and change the server.");
    text.0.push_str("[control]\n\n");
    text.keys(&control::keys(), &mut ControlSection::default(), &[]);

    text.title("The publish listener, on which web apps publish to their clients and to others.");
    text.0.push_str("[publish]\n\n");
    text.keys(&publish::keys(), &mut PublishSection::default(), &[]);

    text.title("The broker that joins this server to others: a publication on one reaches the clients of all.");
    text.0.push_str("[bus]\n\n");
    text.keys(&bus::keys(), &mut BusSection::default(), &[]);
    text.title("The ZeroMQ sockets on which web apps publish.");
    text.0.push_str("[zmq]\n\n");
    text.keys(&zmq::keys(), &mut ZmqSection::default(), &[]);

    text.title("The log: its contents, format and files.");
    text.0.push_str("[log]\n\n");
    text.keys(&log::keys(), &mut Process::default().log, &[]);

    text.title("A listener for clients. There may be several. Default: one on 127.0.0.1:8080.");
    text.0
        .push_str("[[listener]]\naddress = \"127.0.0.1:8080\"\n\n");
    let keys = listener::keys();
    text.keys(&keys, &mut Listener::default(), &["address", "mode"]);
    text.tables("listener", &keys, "#");
    text.title("A listener on a Unix socket.");
    text.0
        .push_str("#[[listener]]\n#address = \"unix:/run/polysock.sock\"\n\n");
    text.key(&keys, &mut Listener::default(), "mode");

    text.title(
        "The defaults of all routes. A [[route]] may override each of these keys, and in a table (request_headers, \
         exec, …) each key of the table.",
    );
    text.0.push_str("[defaults]\n\n");
    text.keys(&settings_keys::keys(), &mut Settings::default(), &[]);
    text.tables("defaults", &settings_keys::keys(), "");

    text.title(
        "A route from requests to a target. The first route that matches a request is used. A request without a \
         matching route is answered with 404.",
    );
    text.0.push_str("#[[route]]\n\n");
    text.keys(&route::keys(), &mut Draft::default(), &["targets"]);

    text.title("A route to several servers.");
    text.0.push_str("#[[route]]\n#path = \"/app\"\n\n");
    text.key(&route::keys(), &mut Draft::default(), "targets");

    text.title("A route to an [upstream.NAME], which has more settings.");
    text.0
        .push_str("#[[route]]\n#path = \"/api\"\n#target = \"api\"\n");

    text.title("A route for all other requests.");
    text.0.push_str("[[route]]\ntarget = \"app:chat\"\n");

    text.title("A group of servers, which routes name in `target`.");
    text.0.push_str("#[upstream.api]\n\n");
    text.keys(&upstream::keys(), &mut Upstream::default(), &[]);
    text.tables("upstream.api", &upstream::keys(), "#");

    text.title("The sessions of a web app, which routes name in `session`.");
    text.0.push_str("#[session.app]\n\n");
    text.keys(&session::keys(), &mut Session::default(), &["prefix"]);
    text.tables("session.app", &session::keys(), "#");
    text.title("Sessions in Redis or memcached.");
    text.0
        .push_str("#[session.cache]\n#url = \"memcached://127.0.0.1:11211\"\n\n");
    text.key(&session::keys(), &mut Session::default(), "prefix");
    let mut text = text.0;
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// The text so far.
struct Text(String);

impl Text {
    /// Writes a comment above a group of tables.
    fn title(&mut self, text: &str) {
        self.0.truncate(self.0.trim_end().len());
        self.0.push_str("\n\n\n");
        self.prose(text);
    }

    /// Writes a comment, wrapped to [`WIDTH`].
    fn prose(&mut self, text: &str) {
        for paragraph in text.lines() {
            let mut line = String::from("#");
            for word in paragraph.split(' ') {
                if line.len() > 1 && line.chars().count() + 1 + word.chars().count() > WIDTH {
                    self.line(&line);
                    line.truncate(1);
                }
                line.push(' ');
                line.push_str(word);
            }
            self.line(line.trim_end());
        }
    }

    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    /// Writes the keys with their descriptions, except those in `but` and those that are tables.
    fn keys<S: 'static>(&mut self, keys: &[Key<S>], settings: &mut S, but: &[&str]) {
        let keys = keys.iter().filter(|key| !but.contains(&key.name));
        for key in keys.filter(|key| key.parts().is_empty()) {
            self.part(&key.part(settings));
        }
    }

    fn key<S: 'static>(&mut self, keys: &[Key<S>], settings: &mut S, name: &str) {
        if let Some(key) = keys.iter().find(|key| key.name == name) {
            self.part(&key.part(settings));
        }
    }

    /// Writes the keys that are tables, each under its own heading.
    fn tables<S: 'static>(&mut self, table: &str, keys: &[Key<S>], hidden: &str) {
        for key in keys {
            let parts = key.parts();
            if parts.is_empty() {
                continue;
            }
            self.prose(key.about);
            self.line(&format!("{hidden}[{table}.{}]\n", key.name));
            for part in &parts {
                self.part(part);
            }
        }
    }

    fn part(&mut self, part: &Part) {
        self.prose(part.about);
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "#{} = {}\n", part.name, part.value);
    }
}

/// The longest line of a comment, in characters.
const WIDTH: usize = 100;

const HEAD: &str = "\
The configuration of `polysock serve --config FILE`: every key, its meaning, and its default.

A line that begins with # and no space is a key with its default, or with an example if the default is not a value. \
`polysock check --config FILE` reports all errors in a file, `polysock config show --config FILE` prints the \
configuration in force.

Sizes are \"16KiB\", \"1MiB\", \"2GiB\" or numbers of bytes; times \"500ms\", \"10s\", \"5m\", \"1h\"; networks \
\"10.0.0.0/8\" or single addresses. A list with one element needs no brackets. Paths of files are relative to the \
directory of this file. In every string, ${NAME} is replaced by the environment variable NAME, ${NAME:-default} by the \
variable or, if it is not set, by the default, and $$ by a dollar.
";

/// The [`reference`] with all keys uncommented that this build accepts.
#[cfg(test)]
pub(super) fn taken() -> String {
    let is_taken = |line: &&str| {
        let takes = |is_there: bool, key: &str| is_there || !line.starts_with(key);
        takes(cfg!(feature = "legacy-tls"), "legacy = ") && takes(cfg!(feature = "otlp"), "otlp = ")
    };
    let text = uncommented();
    text.lines().filter(is_taken).collect::<Vec<_>>().join("\n")
}

/// The [`reference`] with all keys uncommented.
#[cfg(test)]
pub(super) fn uncommented() -> String {
    let text = reference();
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(key) if !key.is_empty() && !key.starts_with(' ') => key,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::document::Config;
    use super::*;

    fn read(text: &str) -> Config {
        let loaded = Config::read(Path::new("polysock.toml"), text);
        let loaded = loaded.unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
        loaded.config
    }

    #[test]
    fn the_reference_has_the_values_of_the_defaults() {
        let nothing = "[[route]]\ntarget = \"app:chat\"";
        assert_eq!(read(&reference()), read(nothing));
    }

    #[test]
    fn the_uncommented_reference_is_valid() {
        let config = read(&taken());
        assert_eq!(config.routes.len(), 4);
        assert_eq!(config.listeners.len(), 2);
    }

    #[test]
    fn has_every_key() {
        let text = uncommented();
        let is_there = |name: &str| {
            let mut lines = text.lines();
            lines.any(|line| line.starts_with(&format!("{name} = ")))
        };
        let parts = |parts: Vec<Part>, name: &'static str| match parts.is_empty() {
            true => vec![name],
            false => parts.into_iter().map(|part| part.name).collect(),
        };
        let names = [
            names(&process::keys(), parts),
            names(&control::keys(), parts),
            names(&publish::keys(), parts),
            names(&bus::keys(), parts),
            names(&zmq::keys(), parts),
            names(&listener::keys(), parts),
            names(&settings_keys::keys(), parts),
            names(&route::keys(), parts),
            names(&upstream::keys(), parts),
            names(&session::keys(), parts),
        ];
        for name in names.concat() {
            assert!(is_there(name), "{name}");
        }
    }

    fn names<S: 'static>(
        keys: &[Key<S>],
        parts: fn(Vec<Part>, &'static str) -> Vec<&'static str>,
    ) -> Vec<&'static str> {
        keys.iter()
            .flat_map(|key| parts(key.parts(), key.name))
            .collect()
    }
}
