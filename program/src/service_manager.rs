//! What the service manager that has started the program is told: systemd's `Type=notify`, sd_notify(3).

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use polysock::Pulse;
use rustix::time::{ClockId, clock_gettime};
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

/// The service manager, where there is one that wants to be told.
#[derive(Clone, Debug)]
pub(crate) struct ServiceManager {
    socket: Option<Arc<UnixDatagram>>,
}

impl ServiceManager {
    /// The one that the environment names. One that cannot be reached is told of in the log.
    pub(crate) fn find() -> Self {
        let named = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let socket = named.and_then(|name| match connect(&name) {
            Ok(socket) => Some(Arc::new(socket)),
            Err(error) => {
                let name = name.to_string_lossy();
                warn!(%error, "the service manager at {name} (NOTIFY_SOCKET) cannot be told anything");
                None
            }
        });
        Self { socket }
    }

    /// All listeners are open, with what is in force.
    pub(crate) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}\n"));
    }

    /// What is in force is being replaced, until it is [`ready`](Self::ready) again.
    pub(crate) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        let more = u64::try_from(now.tv_nsec).unwrap_or_default() / 1000;
        let now = seconds.saturating_mul(1_000_000).saturating_add(more);
        self.tell(&format!(
            "RELOADING=1\nMONOTONIC_USEC={now}\nSTATUS=reading the configuration again\n"
        ));
    }

    /// Connections are being closed, and the process ends.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=closing connections\n");
    }

    /// Tells it that the process lives, twice in each time that it gives for that, for as long as every
    /// thread that serves goes through its work. Never ends where it does not ask for that.
    pub(crate) async fn keep_alive(self, pulse: Pulse) {
        let given = |name| env::var(name).ok();
        let time = watchdog(
            given("WATCHDOG_USEC").as_deref(),
            given("WATCHDOG_PID").as_deref(),
        );
        let (Some(time), Some(_)) = (time, &self.socket) else {
            return std::future::pending().await;
        };
        let mut ticks = interval(time / 2);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            pulse.beat().await;
            self.tell("WATCHDOG=1\n");
        }
    }

    fn tell(&self, state: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(state.as_bytes()) {
            let what = state.lines().next().unwrap_or_default();
            warn!(%error, "the service manager could not be told {what}");
        }
    }
}

fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    // Nobody waits for a manager that reads nothing.
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// How often this process has to say that it lives, if it is the one that is meant.
fn watchdog(time: Option<&str>, process: Option<&str>) -> Option<Duration> {
    let is_meant = process.is_none_or(|process| process.parse() == Ok(std::process::id()));
    let time = Duration::from_micros(time?.parse().ok()?);
    Some(time).filter(|time| is_meant && time.as_micros() >= 2)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn the_watchdog_is_for_the_process_that_it_names() {
        let own = std::process::id().to_string();
        let second = Some(Duration::from_secs(1));
        for (time, process, expected) in [
            (Some("1000000"), Some(&*own), second),
            (Some("1000000"), None, second),
            (Some("1000000"), Some("1"), None),
            (Some("1000000"), Some("x"), None),
            (Some("0"), None, None),
            (Some("1"), None, None),
            (Some("-7"), None, None),
            (None, Some(&own), None),
        ] {
            assert_eq!(watchdog(time, process), expected, "{time:?} {process:?}");
        }
    }

    #[test]
    fn a_socket_that_is_not_there_is_no_manager() {
        for name in ["/nowhere/at-all", "@nobody-listens-here", "relative"] {
            assert!(connect(OsStr::new(name)).is_err(), "{name}");
        }
        assert!(connect(&OsString::from("x".repeat(200))).is_err());
    }
}
