//! Reading of files that may be compressed with gzip.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

/// The number of bytes that suffices to recognise a file. A pipe may return fewer in one read.
const START: u64 = 8;

/// Returns a reader of the file's content, decompressed if it is gzip. Its first eight bytes, if
/// there are as many, are available without a further read.
///
/// # Errors
///
/// The file cannot be read, or is invalid gzip.
pub fn gunzip<'a>(file: impl BufRead + Send + 'a) -> io::Result<Box<dyn BufRead + Send + 'a>> {
    let file = started(file)?;
    let is_gzip = file.get_ref().0.get_ref().starts_with(b"\x1f\x8b");
    if is_gzip {
        let decoder = BufReader::new(MultiGzDecoder::new(file));
        Ok(Box::new(started(decoder)?))
    } else {
        Ok(Box::new(file))
    }
}

/// Reads the first bytes, and puts them in front of the rest again.
fn started<R: BufRead>(mut file: R) -> io::Result<io::Chain<Cursor<Vec<u8>>, R>> {
    let mut start = Vec::new();
    file.by_ref().take(START).read_to_end(&mut start)?;
    Ok(Cursor::new(start).chain(file))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    /// A reader that returns one byte at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let len = buffer.len().min(1);
            self.0.read(buffer.get_mut(..len).unwrap_or_default())
        }
    }

    #[track_caller]
    fn assert_reads(file: &[u8], text: &[u8]) {
        let mut all = Vec::new();
        let mut file = gunzip(BufReader::with_capacity(1, Slow(file))).unwrap();
        assert!(file.fill_buf().unwrap().len() >= text.len().min(8));
        file.read_to_end(&mut all).unwrap();
        assert_eq!(all, text);
    }

    #[test]
    fn compressed_and_plain_files_read_alike() {
        for text in [&b""[..], b"x", b"\x1f", b"GET / HTTP/1.1\r\n\r\n"] {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(text).unwrap();
            let compressed = encoder.finish().unwrap();
            assert_reads(text, text);
            assert_reads(&compressed, text);
            assert_reads(&compressed.repeat(2), &text.repeat(2));
        }
        assert!(gunzip(&b"\x1f\x8bno"[..]).is_err());
    }
}
