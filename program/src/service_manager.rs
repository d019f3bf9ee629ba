//! Notifications to the service manager that has started the program: systemd's `Type=notify`,
//! sd_notify(3).

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

/// The service manager, or nothing if none has asked for notifications.
#[derive(Clone, Debug)]
pub(crate) struct ServiceManager {
    socket: Option<Arc<UnixDatagram>>,
}

impl ServiceManager {
    /// Finds the service manager in the environment. A manager that cannot be reached is logged.
    pub(crate) fn find() -> Self {
        let named = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let socket = named.and_then(|name| match connect(&name) {
            Ok(socket) => Some(Arc::new(socket)),
            Err(error) => {
                let name = name.to_string_lossy();
                warn!(%error, "the service manager at {name} (NOTIFY_SOCKET) cannot be notified");
                None
            }
        });
        Self { socket }
    }

    /// Reports that all listeners are open and the configuration is in force.
    pub(crate) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}\n"));
    }

    /// Reports that the configuration is being reloaded, until [`ready`](Self::ready) is called
    /// again.
    pub(crate) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        let more = u64::try_from(now.tv_nsec).unwrap_or_default() / 1000;
        let now = seconds.saturating_mul(1_000_000).saturating_add(more);
        self.tell(&format!(
            "RELOADING=1\nMONOTONIC_USEC={now}\nSTATUS=reading the configuration again\n"
        ));
    }

    /// Reports that connections are being closed and the process will end.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=closing connections\n");
    }

    /// Sends keep-alives at half the watchdog interval, as long as every worker thread makes
    /// progress. Never returns if no watchdog is configured.
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
            warn!(%error, "the service manager could not be notified: {what}");
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
    // A manager that reads nothing must not block the server.
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The watchdog interval; `None` if it is unset, meant for another process, or under two
/// microseconds.
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
    fn the_watchdog_applies_only_to_the_named_process() {
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
    fn a_missing_socket_is_an_error() {
        for name in ["/nowhere/at-all", "@nobody-listens-here", "relative"] {
            assert!(connect(OsStr::new(name)).is_err(), "{name}");
        }
        assert!(connect(&OsString::from("x".repeat(200))).is_err());
    }
}
