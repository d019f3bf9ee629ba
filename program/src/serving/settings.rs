//! What the settings of a route are for its site and its upstream.

use polysock::protocols::SessionConfig;
use polysock::protocols::http::HeadLimits;
#[cfg(feature = "auth")]
use polysock::upstream::FieldError;
use polysock::upstream::{ForwardSettings, HeaderPolicy, Rewrite, UpstreamSettings};
use polysock::{Origins, PortSettings, SiteSettings};

use crate::config::headers;
use crate::config::settings::{OnReload, Settings};

/// How a site treats its connections, whose messages may be so large where nothing is said.
pub(super) fn of_site(settings: &Settings, max_message: u64) -> SiteSettings {
    SiteSettings {
        protocols: Some(settings.protocols.0.clone()),
        handshake_timeout: settings.handshake_timeout,
        connections: settings.connections,
        session: SessionConfig {
            max_message: settings.max_message.unwrap_or(max_message),
            max_messages_per_second: settings.max_messages_per_second,
            close_timeout: settings.close_timeout,
            idle_timeout: settings.idle_timeout,
            ping_interval: settings.ping_interval,
            pong_timeout: settings.pong_timeout,
        },
        terms: settings.terms,
        limits: settings.limits,
        origins: settings.origins.clone().unwrap_or(Origins::Any),
        subprotocols: settings.subprotocols.clone(),
        compression: settings.compression.downstream(),
        closable: settings.on_reload == OnReload::Close,
        access_log: settings.access_log,
    }
}

/// How an upstream is treated, the head of whose answers may take so much.
///
/// # Errors
///
/// What is done to fields or paths cannot be.
pub(super) fn of_upstream(
    settings: &Settings,
    head: HeadLimits,
) -> Result<UpstreamSettings, String> {
    let keep_alive = settings.ping_interval;
    Ok(UpstreamSettings {
        connect_timeout: settings.connect_timeout,
        answer_timeout: settings.answer_timeout,
        body_timeout: settings.body_timeout,
        // The kernel looks for servers that are gone as often as they are pinged.
        keep_alive: keep_alive.unwrap_or(PortSettings::default().keep_alive),
        allow: settings.allow.clone(),
        head,
        limits: settings.limits,
        compression: settings.compression.upstream(),
        session: SessionConfig {
            // Messages pass in pieces.
            max_message: u64::MAX,
            close_timeout: settings.close_timeout,
            idle_timeout: settings.upstream_idle_timeout,
            ping_interval: settings.ping_interval,
            pong_timeout: settings.pong_timeout,
            ..SessionConfig::default()
        },
        forward: forward(settings)?,
        proxy_protocol: settings.proxy_protocol,
        ..UpstreamSettings::default()
    })
}

/// What an upstream is told of a client.
fn forward(settings: &Settings) -> Result<ForwardSettings, String> {
    let rewrite = match (&settings.rewrite, &settings.strip_prefix) {
        (Some(template), _) => Rewrite::Replace(template.path.clone()),
        (None, Some(prefix)) => Rewrite::Strip(prefix.path.clone()),
        (None, None) => Rewrite::Keep,
    };
    Ok(ForwardSettings {
        host: settings.upstream_host.clone(),
        style: settings.forwarded,
        request: of_request(settings)?,
        response: policy(&settings.response_headers)?,
        rewrite,
    })
}

/// What becomes of the fields of a request: what is said of them, and of those that `auth` speaks of
/// whatever is not said.
#[cfg(feature = "auth")]
fn of_request(settings: &Settings) -> Result<HeaderPolicy, String> {
    let mut policy = policy(&settings.request_headers)?;
    let Some(auth) = &settings.auth else {
        return Ok(policy);
    };
    let said = &settings.request_headers.set;
    let is_said = |name: &str| said.keys().any(|other| other.eq_ignore_ascii_case(name));
    let problem = |error: FieldError| error.to_string();
    for name in auth.forward.iter().flat_map(|forward| &forward.pass) {
        if !is_said(name) {
            let value = format!("{{auth.field.{name}}}");
            policy.set(name, &value).map_err(problem)?;
        }
    }
    if !auth.pass_authorization {
        policy.drop("Authorization").map_err(problem)?;
    }
    Ok(policy)
}

/// What becomes of the fields of a request.
#[cfg(not(feature = "auth"))]
fn of_request(settings: &Settings) -> Result<HeaderPolicy, String> {
    policy(&settings.request_headers)
}

fn policy(of: &headers::HeaderPolicy) -> Result<HeaderPolicy, String> {
    let mut policy = HeaderPolicy::default();
    let of_field = |name: &str, error| format!("the header field `{name}`: {error}");
    for name in &of.drop {
        policy.drop(name).map_err(|error| of_field(name, error))?;
    }
    for (name, value) in &of.set {
        let set = policy.set(name, &value.text);
        set.map_err(|error| of_field(name, error))?;
    }
    for (name, value) in &of.add {
        let added = policy.add(name, &value.text);
        added.map_err(|error| of_field(name, error))?;
    }
    Ok(policy)
}
