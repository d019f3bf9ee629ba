//! The output of a configuration as a file.

use std::fmt::{self, Write};

use super::bus::{self, BusSection};
use super::control::{self, ControlSection};
use super::document::Config;
use super::form::key as quoted_key;
use super::key::Key;
use super::listener;
use super::process;
use super::publish::{self, PublishSection};
use super::route::{self, Draft};
use super::session;
use super::settings_keys;
use super::upstream;
use super::zmq::{self, ZmqSection};

/// Formats an equivalent file, with secrets masked. A route has only the keys that differ from
/// `[defaults]`.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&lines(&process::keys(), self.process.clone(), None))?;
        if self.control != ControlSection::default() {
            let lines = lines(&control::keys(), self.control.clone(), None);
            write!(f, "\n[control]\n{lines}")?;
        }
        if self.publish != PublishSection::default() {
            let lines = lines(&publish::keys(), self.publish.clone(), None);
            write!(f, "\n[publish]\n{lines}")?;
        }
        if self.bus != BusSection::default() {
            let lines = lines(&bus::keys(), self.bus.clone(), None);
            write!(f, "\n[bus]\n{lines}")?;
        }
        if self.zmq != ZmqSection::default() {
            let lines = lines(&zmq::keys(), self.zmq.clone(), None);
            write!(f, "\n[zmq]\n{lines}")?;
        }
        for listener in &self.listeners {
            let lines = lines(&listener::keys(), listener.clone(), None);
            write!(f, "\n[[listener]]\n{lines}")?;
        }
        let keys = settings_keys::keys();
        let defaults = lines(&keys, self.defaults.clone(), None);
        write!(f, "\n[defaults]\n{defaults}")?;
        for route in &self.routes {
            let draft = lines(&route::keys(), Draft::of(route), Some(Draft::default()));
            let defaults = Some(self.defaults.clone());
            let settings = lines(&keys, route.settings.clone(), defaults);
            write!(f, "\n[[route]]\n{draft}{settings}")?;
        }
        for (name, upstream) in &self.upstreams {
            let name = quoted_key(name);
            let lines = lines(&upstream::keys(), upstream.clone(), None);
            write!(f, "\n[upstream.{name}]\n{lines}")?;
        }
        for (name, session) in &self.sessions {
            let name = quoted_key(name);
            let lines = lines(&session::keys(), session.clone(), None);
            write!(f, "\n[session.{name}]\n{lines}")?;
        }
        Ok(())
    }
}

/// Formats the settings that are set and differ from `usual`.
fn lines<S: 'static>(keys: &[Key<S>], mut settings: S, mut usual: Option<S>) -> String {
    let mut lines = String::new();
    for key in keys {
        let value = key.write(&mut settings);
        let usual = usual.as_mut().and_then(|usual| key.write(usual));
        if let Some(value) = value.filter(|value| usual.as_ref() != Some(value)) {
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "{} = {value}", key.name);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(text: &str) -> Config {
        let loaded = Config::read(Path::new("/etc/polysock.toml"), text);
        loaded.unwrap_or_else(|error| panic!("{error}")).config
    }

    #[test]
    fn a_shown_configuration_reads_as_the_same_configuration() {
        for text in [
            "[[route]]\ntarget = \"app:chat\"",
            EVERYTHING,
            "defaults.ping_interval = \"5s\"\n[[route]]\ntarget = \"ws://a\"\nping_interval = \"2s\"",
            &super::super::reference::taken(),
        ] {
            let mut config = read(text);
            let shown = config.to_string();
            if let Some(key) = &mut config.publish.key {
                // The key is a secret, which is shown masked.
                "***".clone_into(key);
            }
            assert_eq!(read(&shown), config, "{shown}");
        }
    }

    #[cfg(feature = "auth")]
    #[test]
    fn authentication_is_shown_without_secrets() {
        let text = r#"
            [defaults]
            auth.basic = { file = "users", realm = "a \"realm\"" }
            [[route]]
            path = "/a"
            target = "ws://a"
            auth = "none"
            [[route]]
            path = "/b"
            target = "ws://a"
            auth = { jwt = { jwks = "keys.json", from = ["cookie:a", "query:b"], leeway = "none" }, pass_authorization = false }
            [[route]]
            path = "/c"
            target = "ws://a"
            auth = { jwt = { jwks = "https://a/keys", audience = "me", end_connections = true }, tls.verify = false }
            [[route]]
            target = "ws://a"
            auth.forward = { url = "http://a/check", send = "X-A", pass = ["X-B", "X-C"], user = "X-B" }
        "#;
        let config = read(text);
        let shown = config.to_string();
        assert_eq!(read(&shown), config, "{shown}");
        let secret = text.replace("http://a/check", "http://me:hush@a/check?token=hush");
        let shown = read(&secret).to_string();
        assert!(!shown.contains("hush"), "{shown}");
    }

    #[test]
    fn secrets_are_masked() {
        let shown = read(
            r#"
            [[route]]
            target = "ws://me:secret1@host/?token=secret2"
            request_headers.set = { Authorization = "Bearer secret3", X = "${HOME:-secret4}", Y = "shown" }
            "#,
        )
        .to_string();
        assert!(
            !shown.contains("secret") && shown.contains("shown"),
            "{shown}"
        );
        let masked = r#"set = { Authorization = "***", X = "***", Y = "shown" }"#;
        assert!(shown.contains(masked), "{shown}");
        assert!(
            shown.contains(r#"target = "ws://***@host/?token=***""#),
            "{shown}"
        );
    }

    const EVERYTHING: &str = r#"
        workers = 2
        max_memory = 1000
        max_connections = "none"
        max_handshakes_per_second = 100
        max_messages_per_second_per_address = "none"
        log = { format = "ecs", level = "warn,polysock=debug", file = "it.log", access = "-", query = true }
        pid_file = "run/it.pid"
        [[listener]]
        address = ":8080"
        proxy_protocol = ["10.0.0.0/8", "192.0.2.1", "::1", "unix"]
        keep_alive = "1500ms"
        allow = ["10.0.0.0/8", "::1"]
        deny = "10.0.0.7"
        [[listener]]
        address = "unix:run/it.sock"
        mode = 0o600
        [defaults]
        protocols = ["rfc6455", "hixie-76"]
        unmasked_from = ["private", "198.51.100.0/24"]
        ping_interval = "none"
        max_messages_per_second = 5
        max_bytes_per_second = "1MiB"
        exec.framing = "nul"
        session = "app"
        require_session = "user.id"
        [[route]]
        name = "a \"name\" with $${} \t and 'marks'"
        host = ["a.example", "*.b.example"]
        path = "/vnc/{token}/"
        client = ["hixie-76", "http", "websocket"]
        unmasked_from = ["unix", "any", "none"]
        origin = ["http://a.example", "null", "none"]
        subprotocol = "base64"
        target = "ws://{token}:80/a?b=$$c"
        allow = "10.0.0.0/8"
        tokens = "tokens"
        rewrite = "/new/{token}?a"
        exec = { env = { "A B" = "c", D = "" }, dir = "/srv" }
        [[route]]
        path = "=/files/"
        unmasked_from = ["unix", "10.0.0.0/8"]
        target = "file:public"
        session = "b c"
        require_session = true
        strip_prefix = "/files"
        [[route]]
        path = "/run"
        unmasked_from = []
        policy = [
            { name = "a", protocols = "hixie-76", networks = "10.0.0.0/8", until = 2027-06-30, log_only = true },
            { user_agent = "", action = "allow" },
            {},
        ]
        target = "exec: ./run --fast "
        [[route]]
        target = "unix:back.sock"
        [[route]]
        host = "c.example"
        targets = ["ws://a:1", { url = "ws://b:2", weight = 3 }]
        [upstream.api]
        targets = "tcp://c:3"
        balance = { hash = "query:room" }
        health.status = [200, "301-302"]
        slow_start = "1m"
        [session.app]
        url = "files:2;sessions"
        recheck = "1m"
        [session."b c"]
        format = "django"
        key = ["a.key", "b.key"]
        lifetime = "24h"
    "#;
}
