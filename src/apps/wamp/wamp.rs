//! What is told of calls, subscriptions and events.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::args::Args;
use super::call::{Answer, CallId};
use super::client::WampClient;
use super::receivers::Receivers;
use super::topic::Topic;
use super::wamp_error::WampError;
use crate::error::BoxError;

/// An application that is called, and that watches over topics, see the [module](super). Unless more is
/// written, every topic may be subscribed to, events go to whom they are for, and no procedure is known.
///
/// The events of one client come one after the other, in the order of its messages; those of several come
/// side by side. A panic ends one connection, with 1011.
///
/// ```
/// use polysock::apps::wamp::{Answer, Args, CallId, Wamp, WampClient, WampError};
///
/// struct Calculator;
///
/// impl Wamp for Calculator {
///     async fn on_call(
///         &self,
///         _: &WampClient,
///         _: CallId<'_>,
///         procedure: &str,
///         args: Args<'_>,
///     ) -> Result<Answer, WampError> {
///         match procedure {
///             "http://example.com/calc#add" => {
///                 let (a, b): (f64, f64) = args.read()?;
///                 Answer::of(&(a + b))
///             }
///             _ => Err(WampError::no_procedure(procedure)),
///         }
///     }
/// }
/// ```
pub trait Wamp: Send + Sync + 'static {
    /// A client has connected, and has been told its session.
    ///
    /// # Errors
    ///
    /// Whatever fails: the client is closed with 1011.
    fn on_open(&self, client: &WampClient) -> impl Future<Output = Result<(), BoxError>> + Send {
        let _ = client;
        async { Ok(()) }
    }

    /// A client calls a procedure, by its full URI.
    ///
    /// # Errors
    ///
    /// The answer to the client.
    fn on_call(
        &self,
        client: &WampClient,
        call: CallId<'_>,
        procedure: &str,
        args: Args<'_>,
    ) -> impl Future<Output = Result<Answer, WampError>> + Send {
        let _ = (client, call, args);
        let error = WampError::no_procedure(procedure);
        async { Err(error) }
    }

    /// A client asks for the events of a topic that it has not yet; whether it may have them. A client that
    /// may not is told nothing, as WAMP has no words for that.
    fn on_subscribe(
        &self,
        client: &WampClient,
        topic: &Topic,
    ) -> impl Future<Output = bool> + Send {
        let _ = (client, topic);
        async { true }
    }

    /// A client has had enough of a topic, and gets no more of it. Nothing is told of topics that a client
    /// leaves as it goes.
    fn on_unsubscribe(
        &self,
        client: &WampClient,
        topic: &Topic,
    ) -> impl Future<Output = ()> + Send {
        let _ = (client, topic);
        async {}
    }

    /// A client publishes an event, subscribed or not; whoever writes this has to
    /// [send](Topic::broadcast_to) it. Unless it is written, the event goes to whom it is for, as it
    /// is.
    fn on_publish(
        &self,
        client: &WampClient,
        topic: &Topic,
        event: &RawValue,
        receivers: &Receivers,
    ) -> impl Future<Output = ()> + Send {
        let _ = client;
        topic.broadcast_to(event, receivers);
        async {}
    }

    /// A client has gone, and has left its topics. The last that is told of each.
    fn on_close(&self, client: &WampClient) -> impl Future<Output = ()> + Send {
        let _ = client;
        async {}
    }
}

/// One application in several places.
impl<W: Wamp> Wamp for Arc<W> {
    fn on_open(&self, client: &WampClient) -> impl Future<Output = Result<(), BoxError>> + Send {
        (**self).on_open(client)
    }

    fn on_call(
        &self,
        client: &WampClient,
        call: CallId<'_>,
        procedure: &str,
        args: Args<'_>,
    ) -> impl Future<Output = Result<Answer, WampError>> + Send {
        (**self).on_call(client, call, procedure, args)
    }

    fn on_subscribe(
        &self,
        client: &WampClient,
        topic: &Topic,
    ) -> impl Future<Output = bool> + Send {
        (**self).on_subscribe(client, topic)
    }

    fn on_unsubscribe(
        &self,
        client: &WampClient,
        topic: &Topic,
    ) -> impl Future<Output = ()> + Send {
        (**self).on_unsubscribe(client, topic)
    }

    fn on_publish(
        &self,
        client: &WampClient,
        topic: &Topic,
        event: &RawValue,
        receivers: &Receivers,
    ) -> impl Future<Output = ()> + Send {
        (**self).on_publish(client, topic, event, receivers)
    }

    fn on_close(&self, client: &WampClient) -> impl Future<Output = ()> + Send {
        (**self).on_close(client)
    }
}

/// Nothing but topics: what pages publish goes to those that have subscribed, and every call fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct Broker;

impl Wamp for Broker {}
