//! The targets of tokens, read from a file or a directory of files as in websockify.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::spawn_blocking;
use tracing::{info, warn};

use crate::stamp::{Looked, Stamp};

/// The targets of tokens. They are read from a file with lines such as `desk-7: 10.0.0.7:5900` or
/// `desk-8: unix:/run/desk-8.sock`, empty lines, and comments that begin with `#`; or from a
/// directory of such files, except those whose names begin with a dot or end with `~`. If several
/// lines have the same token, the last counts, in the order of the file names.
///
/// Files that have changed are read again when a token is looked up, at most once a second. An
/// invalid line is logged and ignored. If the file is removed, no tokens are left.
#[derive(Clone)]
pub struct Tokens {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    known: Mutex<Cached>,
}

struct Cached {
    targets: Arc<HashMap<String, TokenTarget>>,
    stamps: Vec<Stamp>,
    /// The time of the last check for changes; `None` if the files are not checked.
    looked: Option<Looked>,
    has_failed: bool,
}

/// The target of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TokenTarget {
    /// `HOST:PORT`.
    Address(String),
    /// The path of a socket.
    Unix(String),
}

impl Tokens {
    /// Reads the file, or the directory of files; blocks.
    ///
    /// # Errors
    ///
    /// The file or directory cannot be read.
    pub fn read(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let (stamps, targets) = read(&path)?;
        let known = Cached {
            targets: Arc::new(targets),
            stamps,
            looked: Some(Looked::now()),
            has_failed: false,
        };
        Ok(Self {
            shared: Arc::new(Shared {
                path,
                known: Mutex::new(known),
            }),
        })
    }

    /// Reads the same once, and ignores later changes.
    ///
    /// # Errors
    ///
    /// The file or directory cannot be read.
    pub fn read_once(path: impl Into<PathBuf>) -> io::Result<Self> {
        let tokens = Self::read(path)?;
        tokens.shared.lock().looked = None;
        Ok(tokens)
    }

    /// Returns the number of tokens.
    pub fn count(&self) -> usize {
        self.shared.lock().targets.len()
    }

    /// Returns the target of a token.
    pub(super) async fn find(&self, token: &str) -> Option<TokenTarget> {
        if self.shared.is_due() {
            let shared = Arc::clone(&self.shared);
            // A disk may be slow, and other clients are served meanwhile.
            let _ = spawn_blocking(move || shared.look()).await;
        }
        let targets = Arc::clone(&self.shared.lock().targets);
        targets.get(token).cloned()
    }
}

impl Shared {
    /// True if the caller is to check the files for changes.
    fn is_due(&self) -> bool {
        self.lock().looked.as_mut().is_some_and(Looked::is_due)
    }

    /// Reads the files again if they have changed.
    fn look(&self) {
        let stamps = match stamps(&self.path) {
            Ok(stamps) if self.are_same(&stamps) => return,
            stamps => stamps,
        };
        let read = stamps.and_then(|_| read(&self.path));
        let mut known = self.lock();
        match read {
            Ok((stamps, targets)) => {
                if known.has_failed || *known.targets != targets {
                    info!(path = %self.path.display(), count = targets.len(), "tokens loaded");
                }
                known.targets = Arc::new(targets);
                known.stamps = stamps;
                known.has_failed = false;
            }
            Err(error) => {
                if !std::mem::replace(&mut known.has_failed, true) {
                    warn!(path = %self.path.display(), %error, "tokens cannot be read");
                }
                known.stamps.clear();
                if error.kind() == io::ErrorKind::NotFound {
                    known.targets = Arc::default();
                }
            }
        }
    }

    fn are_same(&self, stamps: &[Stamp]) -> bool {
        let known = self.lock();
        !known.has_failed && known.stamps == stamps && stamps.iter().all(Stamp::is_old)
    }

    fn lock(&self) -> MutexGuard<'_, Cached> {
        // Each field is replaced as a whole, so a panic cannot break it.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows the path only, as tokens are secrets.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tokens").field(&self.shared.path).finish()
    }
}

fn read(path: &Path) -> io::Result<(Vec<Stamp>, HashMap<String, TokenTarget>)> {
    let stamps = stamps(path)?;
    let mut targets = HashMap::new();
    for path in stamps.iter().map(Stamp::path) {
        let text = fs::read(path)?;
        for (number, line) in (1..).zip(String::from_utf8_lossy(&text).lines()) {
            match parse(line) {
                Ok(None) => {}
                Ok(Some((token, target))) => {
                    targets.insert(token.to_owned(), target);
                }
                Err(problem) => {
                    warn!(path = %path.display(), line = number, problem, "invalid line in a file of tokens");
                }
            }
        }
    }
    Ok((stamps, targets))
}

/// Returns the stamps of the files, in the order of their names.
fn stamps(path: &Path) -> io::Result<Vec<Stamp>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![Stamp::of(path.to_owned())?]);
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        if !name.starts_with(b".") && !name.ends_with(b"~") && entry.path().is_file() {
            paths.push(entry.path());
        }
    }
    paths.sort();
    paths.into_iter().map(Stamp::of).collect()
}

/// Reads the token and its target from a line; `None` if the line is empty or a comment.
fn parse(line: &str) -> Result<Option<(&str, TokenTarget)>, &'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    // A token may contain colons, but none that a blank follows.
    let mut colons = line.match_indices(':').map(|(at, _)| line.split_at(at));
    let split = colons.find(|(_, rest)| rest.get(1..).is_some_and(starts_blank));
    let (token, rest) = split.ok_or("write TOKEN: HOST:PORT, with a blank after the colon")?;
    let target = rest.get(1..).unwrap_or_default().trim();
    for scheme in ["unix_socket:", "unix:"] {
        if let Some(path) = target.strip_prefix(scheme) {
            let path = path.trim();
            return match path.is_empty() {
                true => Err("the path of the socket is missing"),
                false => Ok(Some((token, TokenTarget::Unix(path.to_owned())))),
            };
        }
    }
    let (host, port) = target.rsplit_once(':').ok_or("the port is missing")?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match port.parse::<u16>() {
        _ if host.is_empty() => Err("the host is missing"),
        Err(_) | Ok(0) => Err("the port is not a number up to 65535"),
        Ok(port) if host.contains(':') => Ok(Some((
            token,
            TokenTarget::Address(format!("[{host}]:{port}")),
        ))),
        Ok(port) => Ok(Some((
            token,
            TokenTarget::Address(format!("{host}:{port}")),
        ))),
    }
}

fn starts_blank(text: &str) -> bool {
    text.starts_with(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn lines_are_read_as_websockify_reads_them() {
        let address = |address: &str| TokenTarget::Address(address.into());
        let unix = |path: &str| TokenTarget::Unix(path.into());
        for (line, expected) in [
            ("", Ok(None)),
            ("  ", Ok(None)),
            ("# desk: 10.0.0.1:1", Ok(None)),
            ("  # indented", Ok(None)),
            (
                "desk: a.example:5900",
                Ok(Some(("desk", address("a.example:5900")))),
            ),
            (
                "desk:\t10.0.0.7:5900\r",
                Ok(Some(("desk", address("10.0.0.7:5900")))),
            ),
            ("a:b:c:  h:1", Ok(Some(("a:b:c", address("h:1"))))),
            ("a b: h:1", Ok(Some(("a b", address("h:1"))))),
            ("desk: ::1:5900", Ok(Some(("desk", address("[::1]:5900"))))),
            (
                "desk: [::1]:5900",
                Ok(Some(("desk", address("[::1]:5900")))),
            ),
            (
                "desk: unix_socket:/run/x",
                Ok(Some(("desk", unix("/run/x")))),
            ),
            ("desk: unix:/run/x", Ok(Some(("desk", unix("/run/x"))))),
        ] {
            assert_eq!(parse(line), expected, "{line}");
        }
        for line in [
            "desk",
            "desk:10.0.0.7:5900",
            "desk: 10.0.0.7",
            "desk: 10.0.0.7:0",
            "desk: 10.0.0.7:65536",
            "desk: :5900",
            "desk: 10.0.0.7:http",
            "desk: unix:",
            "desk: ",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    /// Pretends that a second has passed.
    fn let_time_pass(tokens: &Tokens) {
        let looked = &mut tokens.shared.lock().looked;
        looked.iter_mut().for_each(Looked::let_time_pass);
    }

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("polysock-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        path
    }

    async fn is_known(tokens: &Tokens, token: &str) -> bool {
        let_time_pass(tokens);
        tokens.find(token).await.is_some()
    }

    #[tokio::test]
    async fn changed_files_are_read_again_unless_read_once() {
        let directory = directory("token-files");
        let file = directory.join("one");
        fs::write(&file, "a: h:1\n").unwrap();
        let tokens = Tokens::read(&file).unwrap();
        let fixed = Tokens::read_once(&file).unwrap();
        // The new content has the same length, and may be written within the same tick of the
        // clock.
        fs::write(&file, "b: h:1\n").unwrap();
        assert!(!is_known(&tokens, "a").await && is_known(&tokens, "b").await);
        assert!(fixed.find("a").await.is_some());
        // The files are checked at most once a second.
        fs::write(&file, "c: h:1\n").unwrap();
        assert!(tokens.find("c").await.is_none());
        assert!(is_known(&tokens, "c").await);
        // A file that was moved there is another file, however old it is.
        let other = directory.join("two");
        fs::write(&other, "d: h:1\n").unwrap();
        let old = SystemTime::now() - Duration::from_secs(3600);
        let times = fs::FileTimes::new().set_modified(old);
        for file in [&file, &other] {
            fs::File::options()
                .write(true)
                .open(file)
                .unwrap()
                .set_times(times)
                .unwrap();
        }
        assert!(is_known(&tokens, "c").await);
        fs::rename(&other, &file).unwrap();
        assert!(is_known(&tokens, "d").await && !is_known(&tokens, "c").await);
        // The tokens of a removed file are unknown.
        fs::remove_file(&file).unwrap();
        assert!(!is_known(&tokens, "d").await);
        fs::write(&file, "e: h:1\n").unwrap();
        assert!(is_known(&tokens, "e").await);
        fs::remove_dir_all(&directory).unwrap();
    }

    #[tokio::test]
    async fn the_tokens_of_a_directory_are_those_of_all_its_files() {
        let directory = directory("token-directory");
        fs::write(directory.join("10"), "a: h:1\nb: h:1\nwrong\n").unwrap();
        fs::write(directory.join("20"), "b: h:2").unwrap();
        fs::write(directory.join(".hidden"), "c: h:3").unwrap();
        fs::write(directory.join("10~"), "d: h:3").unwrap();
        fs::create_dir(directory.join("inner")).unwrap();
        let tokens = Tokens::read(&directory).unwrap();
        assert_eq!(tokens.count(), 2);
        assert_eq!(
            tokens.find("b").await,
            Some(TokenTarget::Address("h:2".into()))
        );
        fs::remove_file(directory.join("20")).unwrap();
        let_time_pass(&tokens);
        assert_eq!(
            tokens.find("b").await,
            Some(TokenTarget::Address("h:1".into()))
        );
        fs::write(directory.join("30"), "e: h:3").unwrap();
        assert!(is_known(&tokens, "e").await);
        fs::remove_dir_all(&directory).unwrap();
        assert!(!is_known(&tokens, "a").await);
        assert!(Tokens::read(&directory).is_err());
    }
}
