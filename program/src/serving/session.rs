//! The web-app sessions that the clients of a route present.

use std::fs;
use std::path::PathBuf;

use polysock::Policy;
use polysock::upstream::UpstreamSettings;
use polysock_web::{
    CookieSessions, DjangoSessions, ExpressSessions, Files, HttpSessions, Memcached, PhpSessions,
    SessionProvider, SessionStore, Sessions,
};

use crate::config::Config;
use crate::config::route::Route;
use crate::config::session::{Format, Required, Session};

/// The session that a route names.
pub(super) fn session_of(route: &Route, config: &Config) -> Option<Session> {
    let name = route.settings.session.as_ref()?;
    config.sessions.get(name).cloned()
}

/// Returns the policy that looks up the sessions of clients. Reads the files that it names.
///
/// # Errors
///
/// A file or a folder cannot be used.
pub(super) fn policy(session: &Session, required: &Required) -> Result<Box<dyn Policy>, String> {
    let provider = match &session.url {
        Some(url) if session.is_asked() => {
            let asked = HttpSessions::new(url, asking(session, url)?);
            SessionProvider::new(asked.map_err(|error| error.to_string())?)
        }
        _ => SessionProvider::new(kept(session)?),
    };
    let provider = provider.timeout(session.timeout);
    let provider = match required {
        Required::Nothing => provider,
        Required::Session => provider.require(),
        Required::Value(path) => provider.require_value(path),
    };
    Ok(Box::new(match session.recheck {
        Some(every) => provider.recheck(every),
        None => provider,
    }))
}

/// Reads the files that the sessions of a configuration name.
///
/// # Errors
///
/// A file cannot be used.
pub(crate) fn check_sessions(config: &Config) -> Result<(), String> {
    for session in config.sessions.values() {
        policy(session, &Required::Nothing)?;
    }
    Ok(())
}

/// Returns the sessions that are kept in a store or in cookies.
fn kept(session: &Session) -> Result<Box<dyn Sessions>, String> {
    Ok(match session.format {
        Format::Php(serializer) => {
            let sessions = PhpSessions::new(store(session)?).serializer(serializer);
            Box::new(named(session, sessions, PhpSessions::cookie))
        }
        Format::Express => {
            let sessions = ExpressSessions::new(store(session)?, secrets(&session.keys)?);
            Box::new(named(session, sessions, ExpressSessions::cookie))
        }
        Format::Django => {
            let keys = secrets(&session.keys)?;
            let sessions = match &session.url {
                Some(_) => DjangoSessions::stored(store(session)?, keys),
                None => DjangoSessions::signed_cookies(keys),
            };
            let sessions = match session.lifetime {
                Some(lifetime) => sessions.lifetime(lifetime),
                None => sessions,
            };
            Box::new(named(session, sessions, DjangoSessions::cookie))
        }
        Format::CookieSession => {
            let sessions = CookieSessions::new(secrets(&session.keys)?);
            Box::new(named(session, sessions, CookieSessions::cookie))
        }
    })
}

/// Applies the configured cookie name, if there is one.
fn named<S>(session: &Session, sessions: S, cookie: fn(S, &str) -> S) -> S {
    match &session.cookie {
        Some(name) => cookie(sessions, name),
        None => sessions,
    }
}

/// Returns the store of the sessions.
fn store(session: &Session) -> Result<Box<dyn SessionStore>, String> {
    let url = session.url.as_deref().unwrap_or_default();
    let rest = url.split_once(':').map_or("", |(_, rest)| rest);
    match session.scheme() {
        Some("files") => {
            let files = Files::new(rest).map_err(|error| error.to_string())?;
            match fs::metadata(files.folder()) {
                Ok(found) if found.is_dir() => {}
                Ok(_) => return Err(format!("`{}` is not a folder", files.folder().display())),
                Err(error) => return Err(format!("`{}`: {error}", files.folder().display())),
            }
            Ok(Box::new(match session.lifetime {
                Some(lifetime) => files.lifetime(lifetime),
                None => files,
            }))
        }
        Some("memcached") => {
            let store = Memcached::new(rest.trim_start_matches('/'));
            Ok(Box::new(match &session.prefix {
                Some(prefix) => store.prefix(prefix),
                None => store,
            }))
        }
        #[cfg(feature = "redis")]
        Some("redis" | "redis+unix") => {
            let store = polysock_web::Redis::new(url).map_err(|error| error.to_string())?;
            let of_express = (session.format == Format::Express).then_some("sess:");
            Ok(Box::new(match session.prefix.as_deref().or(of_express) {
                Some(prefix) => store.prefix(prefix),
                None => store,
            }))
        }
        #[cfg(feature = "sqlite")]
        Some("sqlite") => {
            let (file, table) = table(session, rest)?;
            match fs::metadata(file) {
                Ok(_) => Ok(Box::new(polysock_web::Sqlite::new(file, table))),
                Err(error) => Err(format!("`{file}`: {error}")),
            }
        }
        #[cfg(feature = "postgres")]
        Some("postgres" | "postgresql") => {
            let (url, table) = table(session, url)?;
            let store = polysock_web::Postgres::new(url, table);
            Ok(Box::new(store.map_err(|error| error.to_string())?))
        }
        _ => Err("the storage of these sessions is not configured".to_owned()),
    }
}

/// Splits a URL at the `#` into the database and the table after it, which defaults to that of the
/// format.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
fn table<'a>(
    session: &Session,
    url: &'a str,
) -> Result<(&'a str, polysock_web::SessionTable), String> {
    let usual = match session.format {
        Format::Django => polysock_web::SessionTable::django(),
        _ => polysock_web::SessionTable::symfony(),
    };
    match url.split_once('#') {
        None => Ok((url, usual)),
        Some((url, name)) => match usual.named(name) {
            Ok(table) => Ok((url, table)),
            Err(error) => Err(error.to_string()),
        },
    }
}

/// Reads the secrets in files, without trailing white space.
fn secrets(files: &[PathBuf]) -> Result<Vec<Vec<u8>>, String> {
    let secrets = files.iter().map(|file| {
        let told = |problem: &str| format!("{}: {problem}", file.display());
        let secret = fs::read(file).map_err(|error| told(&error.to_string()))?;
        match secret.trim_ascii_end() {
            b"" => Err(told("the file contains no secret")),
            secret => Ok(secret.to_vec()),
        }
    });
    secrets.collect()
}

/// The settings of connections to a web app that provides sessions.
fn asking(session: &Session, url: &str) -> Result<UpstreamSettings, String> {
    let settings = UpstreamSettings::default();
    #[cfg(feature = "tls")]
    if polysock::upstream::uses_tls(url) {
        let tls = super::tls::client(&session.tls)?;
        return Ok(UpstreamSettings { tls, ..settings });
    }
    let _ = (session, url);
    Ok(settings)
}
