//! Which file of a folder a path means.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use hyper::header::HeaderValue;
use percent_encoding::percent_decode_str;

use super::Served;

/// What a folder is when it is asked for.
const INDEX: &str = "index.html";

/// How a name ends that says how its file is compressed.
const SUFFIXES: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// A folder with files.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

/// What a path means.
pub(super) enum Found {
    File(Served),
    FolderWithoutSlash,
    Nothing,
}

impl Folder {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Looks for what a path means, with its escapes, in the best of these encodings; blocks.
    ///
    /// # Errors
    ///
    /// The folder itself cannot be read, or what is there cannot.
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

/// The path in a folder that a path of a request means; `None` where no file may be meant.
fn inside(path: &str) -> Option<PathBuf> {
    let mut inside = PathBuf::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let name: Vec<u8> = percent_decode_str(segment).collect();
        // Also what only another system takes for the end of a segment.
        let is_name = !name.contains(&0) && !name.contains(&b'/') && !name.contains(&b'\\');
        let is_hidden = name.starts_with(b".") && name != b".well-known";
        if !is_name || is_hidden {
            return None;
        }
        inside.push(OsString::from_vec(name));
    }
    Some(inside)
}

/// Where a file is once all symbolic links are followed; `None` where it is not there, or no longer
/// beneath the root.
fn beneath(root: &Path, path: &Path) -> Option<PathBuf> {
    let file = fs::canonicalize(path).ok()?;
    file.starts_with(root).then_some(file)
}

/// Opens a file, of the type that this name has; `None` where it is another kind of thing (to open a
/// pipe would wait for who writes into it), or may not be read.
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

/// The type of a file, by its name. Text is taken for UTF-8.
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
