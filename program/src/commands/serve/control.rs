//! The control listener of a server.

use std::future::pending;
use std::sync::Arc;

use crate::beside::{Beside, BesideListener, CONTROL};
use crate::control::{Ask, Control};
use crate::serving::{Server, Successor};
use crate::signals::Signals;

/// Events other than signals.
pub(super) enum Other {
    /// Another server wants to take over.
    Successor(Successor),
    /// An operator requests a reload.
    Reload(Ask),
}

/// Starts the control listener, if one is configured.
pub(super) fn start(server: &mut Server, signals: &Signals) -> Result<Option<Control>, String> {
    let Some(settings) = server.control()? else {
        return Ok(None);
    };
    let passed = server.passed_on(&Beside::name(CONTROL, &settings.address));
    let control = Control::start(settings, server.beginning(), passed)?;
    let running = Control::run(Arc::clone(&control.state), control.census());
    signals.runtime().spawn(running);
    Ok(Some(control))
}

/// The listener, for a server that takes over.
pub(super) fn listener(control: &mut Option<Control>) -> Option<&mut BesideListener> {
    control.as_mut().map(|control| &mut control.listener)
}

/// Waits for a request of an operator. Never completes without a control listener.
pub(super) async fn asked(control: &mut Option<Control>) -> Ask {
    match control {
        Some(control) => control.asked().await,
        None => pending().await,
    }
}
