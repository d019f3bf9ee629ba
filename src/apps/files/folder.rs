//! The mapping from request paths to files in a folder.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use hyper::header::HeaderValue;
use percent_encoding::percent_decode_str;

use super::Served;

/// The file that is served for a folder.
const INDEX: &str = "index.html";

/// The encodings, and the suffixes of files compressed in them.
const SUFFIXES: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// A folder with files.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

/// The result of a look-up.
pub(super) enum Found {
    File(Served),
    FolderWithoutSlash,
    Nothing,
}

impl Folder {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Looks up a path, which is percent-encoded, in the best of these encodings; blocks.
    ///
    /// # Errors
    ///
    /// The folder or the file cannot be read.
    pub(super) fn find(&self, path: &str, encodings: &[&'static str]) -> io::Result<Found> {
        let Some(inside) = inside(path) else {
            return Ok(Found::Nothing);
        };
        let root = fs::canonicalize(&self.root).map_err(|error| {
            let folder = self.root.display();
            io::Error::new(error.kind(), format!("{folder}: {error}"))
        })?;
        let Some(mut file) = beneath(&root, &root.join(inside)) else {
            return Ok(Found::Nothing);
        };
        let is_folder = fs::metadata(&file)?.is_dir();
        match (is_folder, path.is_empty() || !path.ends_with('/')) {
            (true, true) => return Ok(Found::FolderWithoutSlash),
            (true, false) => match beneath(&root, &file.join(INDEX)) {
                Some(index) => file = index,
                None => return Ok(Found::Nothing),
            },
            (false, true) => {}
            (false, false) => return Ok(Found::Nothing),
        }
        let mut served = None;
        let mut varies = false;
        for (encoding, suffix) in SUFFIXES {
            let mut name = file.clone().into_os_string();
            name.push(suffix);
            let Some(compressed) = beneath(&root, Path::new(&name)) else {
                continue;
            };
            varies = true;
            if served.is_none() && encodings.contains(&encoding) {
                served = open(&compressed, &file, Some(encoding))?;
            }
        }
        let served = match served {
            Some(served) => Some(served),
            None => open(&file, &file, None)?,
        };
        Ok(served.map_or(Found::Nothing, |served| {
            Found::File(Served { varies, ..served })
        }))
    }
}

/// Maps a request path to a path relative to the folder; `None` if it may not name a file.
fn inside(path: &str) -> Option<PathBuf> {
    let mut inside = PathBuf::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let name: Vec<u8> = percent_decode_str(segment).collect();
        // The backslash too: other systems treat it as a separator.
        let is_name = !name.contains(&0) && !name.contains(&b'/') && !name.contains(&b'\\');
        let is_hidden = name.starts_with(b".") && name != b".well-known";
        if !is_name || is_hidden {
            return None;
        }
        inside.push(OsString::from_vec(name));
    }
    Some(inside)
}

/// Resolves all symbolic links of a path; `None` if the file does not exist, or is outside the
/// root.
fn beneath(root: &Path, path: &Path) -> Option<PathBuf> {
    let file = fs::canonicalize(path).ok()?;
    file.starts_with(root).then_some(file)
}

/// Opens a file, with the type that belongs to the name `named`. `None` if it is not a regular file
/// (opening a pipe would block until a writer opens it), or permission is denied.
fn open(file: &Path, named: &Path, encoding: Option<&'static str>) -> io::Result<Option<Served>> {
    if !fs::metadata(file)?.is_file() {
        return Ok(None);
    }
    let file = match File::open(file) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    Ok(Some(Served {
        file,
        len: metadata.len(),
        modified: metadata.modified().ok(),
        kind: kind(named),
        encoding,
        varies: false,
    }))
}

/// Guesses the type of a file from its name. Text is assumed to be UTF-8.
fn kind(path: &Path) -> HeaderValue {
    let is_ascii = |name: &OsStr| name.as_bytes().is_ascii();
    let named = path.file_name().filter(|name| is_ascii(name));
    let guess = named.and_then(|_| mime_guess::from_path(path).first_raw());
    let kind = match guess {
        None => return HeaderValue::from_static("application/octet-stream"),
        Some(kind) if kind.starts_with("text/") || kind == "application/javascript" => {
            format!("{kind}; charset=utf-8")
        }
        Some(kind) => kind.to_owned(),
    };
    let octets = HeaderValue::from_static("application/octet-stream");
    HeaderValue::try_from(kind).unwrap_or(octets)
}
