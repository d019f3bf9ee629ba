//! The look of a handshake whose client sends no user agent.

use std::fmt;

use polysock::protocols::http::Head;

/// The names of the fields of an opening handshake, in their order and spelling. They distinguish
/// libraries and contain nothing about users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    names: Vec<String>,
}

/// Fields that the same client sends only sometimes, so they do not identify it.
const IGNORED: &[&str] = &[
    "cookie",
    "authorization",
    "origin",
    "sec-websocket-protocol",
];

/// The handshakes of known clients, from the recorded sessions: each client and the names of its
/// fields.
const KNOWN: &str = include_str!("known.txt");

/// The most fields that are compared.
const FIELDS: usize = 40;

impl Fingerprint {
    pub(super) fn of(head: &Head) -> Self {
        let names = head
            .fields()
            .map(|(name, _)| String::from_utf8_lossy(name).into_owned());
        let names = names.filter(|name| {
            !IGNORED
                .iter()
                .any(|ignored| name.eq_ignore_ascii_case(ignored))
        });
        Self {
            names: names.take(FIELDS).collect(),
        }
    }

    /// Returns a name for devices with this fingerprint: `unnamed 1f2e3d4c, like Ratchet 0.4`.
    pub(super) fn device(&self) -> String {
        let hash = self.names.iter().flat_map(|name| name.bytes().chain([0]));
        // FNV-1a, so that the hash is the same in every version of Polysock.
        let hash = hash.fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        match self.nearest() {
            Some(nearest) => format!("unnamed {hash:08x}, like {nearest}"),
            None => format!("unnamed {hash:08x}"),
        }
    }

    /// Returns the known client whose handshake shares the most names; `None` if fewer than half
    /// are shared.
    fn nearest(&self) -> Option<&'static str> {
        let known = KNOWN.lines().filter_map(|line| line.split_once('\t'));
        let likeness = known.map(|(client, names)| {
            let names: Vec<_> = names.split(' ').collect();
            let shared = self
                .names
                .iter()
                .filter(|name| names.contains(&name.as_str()));
            let all = names.len().max(self.names.len()).max(1);
            let is_same = names == self.names;
            (shared.count() * 1000 / all + usize::from(is_same), client)
        });
        // The first of equally similar clients.
        let (likeness, client) = likeness.rev().max_by_key(|(likeness, _)| *likeness)?;
        (likeness >= 500).then_some(client)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use polysock::protocols::Role;
    use polysock::protocols::http::HeadLimits;
    use polysock_instrument::transcript::{Fixture, expand};

    use super::*;

    /// The named clients of the recorded sessions, and the fingerprints of their handshakes.
    fn recorded() -> Vec<(String, Fingerprint)> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../compat-fixtures");
        let mut files: Vec<PathBuf> = Vec::new();
        for folder in fs::read_dir(root).unwrap() {
            let folder = folder.unwrap().path();
            if folder.is_dir() && folder.file_name().is_none_or(|name| name != "none") {
                let inside = fs::read_dir(folder).unwrap();
                files.extend(inside.map(|file| file.unwrap().path()));
            }
        }
        files.retain(|file| {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            name.ends_with(".wire") && !name.starts_with("bad-")
        });
        files.sort();
        let mut recorded = Vec::new();
        for file in files {
            let transcript = Fixture::read(&file).unwrap().transcript;
            let client = transcript.header("client").map(str::to_owned);
            let Some(client) = client.filter(|_| transcript.role() == Role::Server) else {
                continue;
            };
            let version = transcript.header("version").unwrap_or_default();
            let sent: Vec<u8> = transcript
                .steps
                .iter()
                .filter_map(|step| step.sent_by(Role::Client))
                .flat_map(|line| expand(line.parts()).to_vec())
                .collect();
            let end = sent.windows(4).position(|window| window == b"\r\n\r\n");
            let Some(end) = end else { continue };
            let Ok(head) = Head::parse(&sent, end + 4, &HeadLimits::default()) else {
                continue;
            };
            let name = format!("{client} {version}").trim_end().to_owned();
            recorded.push((name, Fingerprint::of(&head)));
        }
        recorded
    }

    #[test]
    fn the_known_fingerprints_are_those_of_the_recorded_sessions() {
        let mut lines: Vec<String> = Vec::new();
        for (client, fingerprint) in recorded() {
            let line = format!("{client}\t{fingerprint}\n");
            let names = line.split_once('\t').unwrap().1;
            if !lines
                .iter()
                .any(|known| known.split_once('\t').unwrap().1 == names)
            {
                lines.push(line);
            }
        }
        let expected = lines.concat();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/control/census/known.txt");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(file, &expected).unwrap();
        }
        assert_eq!(KNOWN, expected, "UPDATE_EXPECT=1 writes it");
    }

    #[test]
    fn an_unnamed_client_is_compared_with_known_fingerprints() {
        let (client, names) = KNOWN.lines().next().unwrap().split_once('\t').unwrap();
        let names: Vec<String> = names.split(' ').map(str::to_owned).collect();
        let same = Fingerprint {
            names: names.clone(),
        };
        assert_eq!(same.nearest(), Some(client));
        let other = Fingerprint {
            names: vec!["X-Meter".into(); 20],
        };
        assert_eq!(other.nearest(), None);
        assert_eq!(other.device(), other.clone().device());
        assert_ne!(other.device(), same.device());
    }
}
