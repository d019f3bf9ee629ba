//! Converts the settings of a route to those of its site and its upstream.

use polysock::protocols::SessionConfig;
use polysock::protocols::http::HeadLimits;
#[cfg(feature = "auth")]
use polysock::upstream::FieldError;
use polysock::upstream::{ForwardSettings, HeaderPolicy, Rewrite, UpstreamSettings};
use polysock::{
    ConnectionLimits, Origins, PortSettings, Rule, SiteSettings, UserAgentPattern, Verdict,
};

use crate::config::Config;
use crate::config::headers;
use crate::config::policy::Action;
use crate::config::route::Route;
use crate::config::settings::{OnReload, Settings};
use crate::config::target::Target;
use crate::flags::connections::{DescriptorUse, limits};

/// Returns the settings of a route's site. `max_message` is the limit if the configuration has
/// none.
pub(super) fn of_site(route: &Route, max_message: u64) -> SiteSettings {
    let settings = &route.settings;
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
            ..SessionConfig::default()
        },
        terms: settings.terms,
        limits: settings.limits,
        origins: settings.origins.clone().unwrap_or(Origins::Any),
        #[cfg(feature = "tls")]
        tls_min_version: route.tls_min_version,
        unmasked_from: settings.unmasked_from.clone(),
        rules: rules(route),
        subprotocols: settings.subprotocols.clone(),
        compression: settings.compression.downstream(),
        closable: settings.on_reload == OnReload::Close,
        access_log: settings.access_log,
    }
}

/// The policy rules of a route.
fn rules(route: &Route) -> Vec<Rule> {
    let rules = route.settings.policy.iter().enumerate();
    let rules = rules.map(|(index, rule)| Rule {
        name: route.rule_title(index).into(),
        protocols: match &rule.protocols {
            Some(protocols) => protocols.0.clone(),
            None => Vec::new(),
        },
        networks: rule.networks.clone(),
        user_agent: rule.user_agent.as_deref().map(UserAgentPattern::from),
        verdict: match (rule.action(), rule.until) {
            (Action::Deny, _) => Verdict::Deny,
            (Action::Allow, None) => Verdict::Allow,
            // The rule still applies on the day itself.
            (Action::Allow, Some(day)) => {
                let end = day.saturating_add(time::Duration::DAY);
                Verdict::AllowUntil(end.midnight().assume_utc().into())
            }
        },
        log_only: rule.log_only,
    });
    rules.collect()
}

/// Returns the settings of connections to an upstream. `head` limits the head of its answers.
///
/// # Errors
///
/// A rule for header fields cannot be applied.
pub(super) fn of_upstream(
    settings: &Settings,
    head: HeadLimits,
) -> Result<UpstreamSettings, String> {
    let keep_alive = settings.ping_interval;
    Ok(UpstreamSettings {
        connect_timeout: settings.connect_timeout,
        answer_timeout: settings.answer_timeout,
        body_timeout: settings.body_timeout,
        // TCP keep-alive probes go out at the interval of WebSocket pings.
        keep_alive: keep_alive.unwrap_or(PortSettings::default().keep_alive),
        allow: settings.allow.clone(),
        head,
        limits: settings.limits,
        compression: settings.compression.upstream(),
        session: SessionConfig {
            // The relay passes messages in pieces, so it needs no limit.
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

/// Returns the settings that decide which fields and path an upstream receives.
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

/// Returns the rules for request fields: the configured ones, then defaults for the fields that
/// `auth` uses.
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

/// Returns the rules for request fields.
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

/// The limits of connections and of their rates, for all ports together.
pub(super) fn connection_limits(config: &Config) -> ConnectionLimits {
    let process = &config.process;
    let limits = limits(
        process.max_connections,
        process.max_connections_per_address,
        process.max_handshakes,
        takes(config),
    );
    ConnectionLimits {
        rates: process.rates,
        ..limits
    }
}

/// The number of descriptors per connection, at most.
fn takes(config: &Config) -> DescriptorUse {
    let is_upstream = |target: &Target| match target {
        Target::App(_) | Target::Broadcast(_) | Target::Files(_) => false,
        // A GRIP app is reached over pooled connections, which clients use one after the other.
        Target::Upstream(_)
        | Target::Servers(_)
        | Target::Url(_)
        | Target::Grip(_)
        | Target::Exec(_) => true,
    };
    match config.routes.iter().any(|route| is_upstream(&route.target)) {
        true => DescriptorUse::Two,
        false => DescriptorUse::One,
    }
}
