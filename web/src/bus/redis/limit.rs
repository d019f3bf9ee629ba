//! The limit on the length of messages for Redis.

use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Value, pipe};

/// The default limit of Redis, used if Redis does not tell its own.
const ASSUMED: Limit = Limit {
    bytes: 32 * 1024 * 1024,
    setting: "client-output-buffer-limit pubsub",
};

/// The overhead of a message when it is sent, in bytes: its channel, its place, and the encoding of
/// Redis.
const AROUND: u64 = 4096;

/// The longest message, and the setting that limits it. Redis closes the connection of a client
/// that sends more or would receive more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    bytes: u64,
    setting: &'static str,
}

impl Limit {
    /// Asks Redis for its limit. If `CONFIG` is not permitted, as in services that hide their
    /// configuration, the default is used.
    pub(super) async fn read(connection: &mut MultiplexedConnection) -> RedisResult<Self> {
        let mut asked = pipe();
        for setting in ["proto-max-bulk-len", "client-output-buffer-limit"] {
            asked.cmd("CONFIG").arg("GET").arg(setting);
        }
        let answers = connection.send_packed_commands(&asked, 0, 2).await?;
        let mut answers = answers.into_iter().map(text);
        let bulk = answers.next().flatten().and_then(|text| text.parse().ok());
        let buffers = answers.next().flatten();
        let buffer = buffers.as_deref().and_then(of_subscribers);
        let buffer = buffer.map_or(ASSUMED, |bytes| Self { bytes, ..ASSUMED });
        Ok(match bulk {
            Some(bytes) if bytes < buffer.bytes => Self {
                bytes,
                setting: "proto-max-bulk-len",
            },
            _ => buffer,
        })
    }

    /// Returns the reason for which a message of this length is refused. `None` if it fits.
    pub(super) fn refuses(&self, len: usize) -> Option<String> {
        let Self { bytes, setting } = self;
        let most = bytes.saturating_sub(AROUND);
        (len as u64 > most).then(|| {
            format!(
                "a message of {len} bytes is longer than the {most} that Redis accepts: `{setting}` is {bytes}"
            )
        })
    }
}

/// Extracts the value of a setting from the answer to `CONFIG GET`.
fn text(answer: Value) -> Option<String> {
    match answer {
        Value::Map(settings) => match settings.into_iter().next()? {
            (_, Value::BulkString(value)) => String::from_utf8(value).ok(),
            _ => None,
        },
        _ => None,
    }
}

/// Extracts the hard limit of a subscriber's output buffer from `CLASS HARD SOFT SECONDS …`, where
/// 0 is no limit.
fn of_subscribers(limits: &str) -> Option<u64> {
    let mut words = limits.split(' ').skip_while(|word| *word != "pubsub");
    let hard: u64 = words.nth(1)?.parse().ok()?;
    Some(if hard == 0 { u64::MAX } else { hard })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_buffer_limit_of_subscribers_is_read() {
        let limits = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60";
        assert_eq!(of_subscribers(limits), Some(33_554_432));
        assert_eq!(of_subscribers("pubsub 0 0 0"), Some(u64::MAX));
        assert_eq!(of_subscribers("normal 0 0 0"), None);
    }

    #[test]
    fn a_refusal_names_the_lengths_and_the_setting() {
        let limit = Limit {
            bytes: 1_048_576,
            setting: "proto-max-bulk-len",
        };
        assert_eq!(limit.refuses(1_044_480), None);
        assert_eq!(
            limit.refuses(1_044_481).unwrap(),
            "a message of 1044481 bytes is longer than the 1044480 that Redis accepts: `proto-max-bulk-len` is 1048576"
        );
    }
}
