//! Tables of databases.

use std::path::PathBuf;

use polysock_web::{DjangoSessions, PhpSessions, SessionError, SessionTable, Sqlite};
use rusqlite::Connection;
use serde_json::json;

use crate::files::folder;
use crate::find;

/// Creates an SQLite file, and executes these statements.
fn database(name: &str, statements: &str) -> PathBuf {
    let file = folder(name).join("sessions.db");
    let database = Connection::open(&file).unwrap();
    database.execute_batch(statements).unwrap();
    file
}

#[tokio::test]
async fn a_row_of_symfony_is_valid_until_its_expiry() {
    let file = database(
        "tables-symfony",
        "CREATE TABLE app_sessions (sess_id TEXT PRIMARY KEY, sess_data BLOB NOT NULL, \
         sess_lifetime INTEGER NOT NULL, sess_time INTEGER NOT NULL);
         INSERT INTO app_sessions VALUES
         ('here', CAST('user_id|i:42;' AS BLOB), 4102444800, 0),
         ('text', 'user_id|i:42;', 4102444800, 0),
         ('empty', '', 4102444800, 0),
         ('over', 'user_id|i:42;', 1700000000, 1700000000),
         ('old', 'user_id|i:42;', 1440, 1700000000),
         ('lasting', 'user_id|i:42;', 1440, 4102444800);",
    );
    let table = SessionTable::symfony().named("app_sessions").unwrap();
    let sessions = PhpSessions::new(Sqlite::new(&file, table));
    for (id, expected) in [
        ("here", Some(json!({ "user_id": 42 }))),
        ("text", Some(json!({ "user_id": 42 }))),
        ("empty", Some(json!({}))),
        ("over", None),
        ("old", None),
        ("lasting", Some(json!({ "user_id": 42 }))),
        ("none", None),
    ] {
        let values = find(&sessions, &format!("PHPSESSID={id}")).await.unwrap();
        assert_eq!(values.map(|values| values.to_json()), expected, "{id}");
    }
    for (file, said) in [
        (file.clone(), "no such table"),
        (file.with_extension("none"), "unable to open"),
    ] {
        let sessions = PhpSessions::new(Sqlite::new(file, SessionTable::symfony()));
        let error = find(&sessions, "PHPSESSID=here").await.unwrap_err();
        assert!(matches!(error, SessionError::Unavailable(_)), "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[tokio::test]
async fn a_row_of_django_is_valid_until_its_expiry() {
    // Written by Django 5.2.19 with `SECRET_KEY = "django-insecure-for-tests"`.
    let data = "eyJ1c2VyX2lkIjo0MiwibmFtZSI6IlpvXHUwMGViIiwiX2F1dGhfdXNlcl9pZCI6IjQyIn0:1xXfID:S26m3uTxf_nlO0F6PHeiweq4yfX6NhZbOAfYkzSnTR8";
    let file = database(
        "tables-django",
        &format!(
            "CREATE TABLE \"django_session\" (\"session_key\" varchar(40) NOT NULL PRIMARY KEY, \
             \"session_data\" text NOT NULL, \"expire_date\" datetime NOT NULL);
             INSERT INTO django_session VALUES
             ('herehere', '{data}', '2099-12-13 13:50:13.927862'),
             ('wholewhole', '{data}', '2099-12-13 13:50:13'),
             ('overover', '{data}', '2020-12-13 13:50:13.927862');"
        ),
    );
    let store = Sqlite::new(&file, SessionTable::django());
    let sessions = DjangoSessions::stored(store, ["django-insecure-for-tests"]);
    for (id, is_there) in [
        ("herehere", true),
        ("wholewhole", true),
        ("overover", false),
    ] {
        let values = find(&sessions, &format!("sessionid={id}")).await.unwrap();
        let user = values.and_then(|values| values.get("user_id"));
        assert_eq!(user, is_there.then(|| json!(42)), "{id}");
    }
}
