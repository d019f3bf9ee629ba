//! The authentication policies of a route.

use polysock::Policy;
#[cfg(feature = "auth")]
use polysock::auth::{
    Basic, Bearer, BearerSettings, ForwardAuth, ForwardAuthSettings, Passwords, TokenKeys,
};
#[cfg(feature = "auth")]
use polysock::upstream::UpstreamSettings;

use crate::config::Config;
#[cfg(feature = "auth")]
use crate::config::auth::{self, Auth, Jwks};
use crate::config::settings::Settings;

/// Returns the policies that a route applies to its clients. Reads the files that it names.
///
/// # Errors
///
/// A file cannot be used, or `auth` is incomplete.
#[cfg(feature = "auth")]
pub(super) fn policies(settings: &Settings) -> Result<Vec<Box<dyn Policy>>, String> {
    let Some(auth) = &settings.auth else {
        return Ok(Vec::new());
    };
    let policy: Box<dyn Policy> = if let Some(basic) = &auth.basic {
        let file = basic.file.as_deref().unwrap_or_else(|| "".as_ref());
        let passwords = Passwords::read(file).map_err(|error| error.to_string())?;
        Box::new(Basic::new(passwords, basic.realm.clone()))
    } else if let Some(jwt) = &auth.jwt {
        Box::new(bearer(auth, jwt)?)
    } else if let Some(forward) = &auth.forward {
        Box::new(forward_auth(auth, forward)?)
    } else {
        return Err("`auth` needs `basic`, `jwt` or `forward`".to_owned());
    };
    Ok(vec![policy])
}

/// Returns no policies: this build has no `auth`.
#[cfg(not(feature = "auth"))]
pub(super) fn policies(_: &Settings) -> Result<Vec<Box<dyn Policy>>, String> {
    Ok(Vec::new())
}

/// Reads the files that `auth` names in any route.
///
/// # Errors
///
/// A file cannot be used.
pub(crate) fn check_auth(config: &Config) -> Result<(), String> {
    for route in &config.routes {
        policies(&route.settings)?;
    }
    Ok(())
}

#[cfg(feature = "auth")]
fn bearer(auth: &Auth, jwt: &auth::Jwt) -> Result<Bearer, String> {
    let keys = match (&jwt.key, &jwt.secret, &jwt.jwks) {
        (Some(file), ..) => TokenKeys::pem(file),
        (None, Some(file), _) => TokenKeys::secret(file),
        (None, None, Some(Jwks::File(file))) => TokenKeys::jwks(file),
        (None, None, Some(Jwks::Url(url))) => TokenKeys::url(url, jwt.refresh, asking(auth, url)?),
        (None, None, None) => return Err("`jwt` has no keys".to_owned()),
    };
    let settings = BearerSettings {
        realm: jwt.realm.clone(),
        sources: jwt.from.clone(),
        issuers: jwt.issuer.clone(),
        audiences: jwt.audience.clone(),
        leeway: jwt.leeway,
        user: jwt.user.clone(),
        ends_connections: jwt.end_connections,
    };
    let keys = keys.map_err(|error| error.to_string())?;
    Ok(Bearer::new(keys, settings))
}

#[cfg(feature = "auth")]
fn forward_auth(auth: &Auth, forward: &auth::Forward) -> Result<ForwardAuth, String> {
    let name = |name: &String| {
        let read = name.parse();
        read.map_err(|_| format!("`{name}` is not a field name"))
    };
    let settings = ForwardAuthSettings {
        send: forward.send.iter().map(name).collect::<Result<_, _>>()?,
        pass: forward.pass.iter().map(name).collect::<Result<_, _>>()?,
        user: forward.user.as_ref().map(name).transpose()?,
        timeout: forward.timeout,
    };
    let url = forward.url.as_deref().unwrap_or_default();
    let endpoint = ForwardAuth::new(url, settings, asking(auth, url)?);
    endpoint.map_err(|error| error.to_string())
}

/// The settings of connections to a JWKS or forward-auth server.
#[cfg(feature = "auth")]
fn asking(auth: &Auth, url: &str) -> Result<UpstreamSettings, String> {
    let settings = UpstreamSettings::default();
    #[cfg(feature = "tls")]
    if polysock::upstream::uses_tls(url) {
        let tls = super::tls::client(&auth.tls)?;
        return Ok(UpstreamSettings { tls, ..settings });
    }
    let _ = (auth, url);
    Ok(settings)
}
