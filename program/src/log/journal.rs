//! The systemd journal.

use std::env;
use std::os::fd::AsFd;

use rustix::fs::fstat;
use tracing::Level;

/// True if the journal reads this stream, according to `JOURNAL_STREAM` (systemd.exec(5)).
pub(super) fn reads(stream: impl AsFd) -> bool {
    let (Ok(named), Ok(stat)) = (env::var("JOURNAL_STREAM"), fstat(stream)) else {
        return false;
    };
    is_same(&named, stat.st_dev, stat.st_ino)
}

/// The prefix of a line of this level in the journal: sd-daemon(3), with syslog's severities.
pub(super) fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        Level::DEBUG | Level::TRACE => "<7>",
    }
}

fn is_same(named: &str, device: u64, inode: u64) -> bool {
    named
        .split_once(':')
        .is_some_and(|(first, second)| first.parse() == Ok(device) && second.parse() == Ok(inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_the_journal_if_device_and_inode_match() {
        for (named, is_journal) in [
            ("9:4711", true),
            ("9:4712", false),
            ("8:4711", false),
            ("9", false),
            ("9:4711:1", false),
            ("", false),
        ] {
            assert_eq!(is_same(named, 9, 4711), is_journal, "{named}");
        }
    }
}
