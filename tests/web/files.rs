//! Sessions in files.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use polysock_web::{Files, PhpSessions, SavePathError, SessionError};
use serde_json::json;

use crate::{find, key};

/// Creates an empty folder that no other test uses.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("polysock-web-{}-{name}", std::process::id()));
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn sessions(save_path: &str) -> PhpSessions {
    PhpSessions::new(Files::new(save_path).unwrap())
}

#[tokio::test]
async fn a_session_is_found_by_its_cookie() {
    let folder = folder("found");
    fs::write(folder.join("sess_abc,-1"), "user_id|i:42;").unwrap();
    fs::write(folder.join("sess_empty"), "").unwrap();
    fs::write(folder.join("sess_broken"), "user_id|i:42;name|s:9:\"a\";").unwrap();
    fs::write(folder.join("sess_under_score"), "user_id|i:1;").unwrap();
    let sessions = sessions(folder.to_str().unwrap());
    let found = |cookie: &'static str| find(&sessions, cookie);
    // R8: bytes before the cookie do not hide it, and its value is URL-decoded.
    let values = found("path=/; junk; PHPSESSID=abc%2C-1")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(values.get("user_id"), Some(json!(42)));
    let empty = found("PHPSESSID=empty").await.unwrap().unwrap();
    assert_eq!(empty.to_json(), json!({}));
    assert!(found("PHPSESSID=none").await.unwrap().is_none());
    let broken = found("PHPSESSID=broken").await.unwrap_err();
    assert!(matches!(broken, SessionError::Broken(_)), "{broken}");
    // R8: a value that cannot be an id of PHP is not looked up.
    for cookie in [
        "PHPSESSID=under_score",
        "PHPSESSID=../sess_empty",
        "PHPSESSID=..%2Fsess_empty",
        "PHPSESSID=a%00",
        "PHPSESSID=%FF",
        "PHPSESSID=",
        "phpsessid=empty",
        "",
    ] {
        assert!(key(&sessions, cookie).is_none(), "{cookie}");
    }
    let longest = format!("PHPSESSID={}", "a".repeat(256));
    assert!(key(&sessions, &longest).is_some());
    assert!(key(&sessions, &format!("{longest}a")).is_none());
    let other = sessions.clone().cookie("sid");
    assert!(find(&other, "sid=empty").await.unwrap().is_some());
    assert!(find(&other, "PHPSESSID=empty").await.unwrap().is_none());
}

#[tokio::test]
async fn nested_folders_are_read_and_links_are_not_followed() {
    let folder = folder("nested");
    fs::create_dir_all(folder.join("a/b")).unwrap();
    fs::write(folder.join("a/b/sess_ab1"), "n|i:1;").unwrap();
    symlink("a", folder.join("c")).unwrap();
    symlink("sess_ab1", folder.join("a/b/sess_ab2")).unwrap();
    fs::create_dir(folder.join("a/b/sess_ab3")).unwrap();
    let path = folder.to_str().unwrap();
    for save_path in [format!("2;{path}"), format!("2;0600;{path}")] {
        let sessions = sessions(&save_path);
        for (cookie, is_there) in [
            ("PHPSESSID=ab1", true),
            ("PHPSESSID=ab2", false),
            ("PHPSESSID=ab3", false),
            ("PHPSESSID=cb1", false),
            ("PHPSESSID=xb1", false),
            ("PHPSESSID=a", false),
        ] {
            let found = find(&sessions, cookie).await.unwrap();
            assert_eq!(found.is_some(), is_there, "{cookie}");
        }
    }
    let gone = sessions(&format!("{path}/gone"));
    let error = find(&gone, "PHPSESSID=a").await.unwrap_err();
    assert!(matches!(error, SessionError::Unavailable(_)), "{error}");
}

#[tokio::test]
async fn a_file_that_is_too_old_is_no_session() {
    let folder = folder("old");
    let name = folder.join("sess_a");
    fs::write(&name, "n|i:1;").unwrap();
    let files = Files::new(folder.to_str().unwrap()).unwrap();
    for (age, lifetime, is_there) in [(1000, 1440, true), (2000, 1440, false), (2000, 7200, true)] {
        let written = SystemTime::now() - Duration::from_secs(age);
        let file = File::options().append(true).open(&name).unwrap();
        file.set_modified(written).unwrap();
        let files = files.clone().lifetime(Duration::from_secs(lifetime));
        let found = find(&PhpSessions::new(files), "PHPSESSID=a").await;
        assert_eq!(found.unwrap().is_some(), is_there, "{age} {lifetime}");
    }
}

#[tokio::test]
async fn a_locked_session_file_is_waited_for_only_for_a_limited_time() {
    let folder = folder("locked");
    let name = folder.join("sess_a");
    fs::write(&name, "n|i:1;").unwrap();
    let sessions = sessions(folder.to_str().unwrap());
    // A permanent lock: the file is read without it.
    let file = File::options().append(true).open(&name).unwrap();
    file.lock().unwrap();
    let found = find(&sessions, "PHPSESSID=a").await.unwrap().unwrap();
    assert_eq!(found.get("n"), Some(json!(1)));
    // A lock that is released once the file is written. A busy machine may miss the time limit.
    let mut tries = (0..20).map(|_| {
        file.lock().unwrap();
        fs::write(&name, "n|i:").unwrap();
        let (file, name) = (file.try_clone().unwrap(), name.clone());
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            fs::write(&name, "n|i:2;").unwrap();
            file.unlock().unwrap();
        })
    });
    loop {
        let writing = tries.next().expect("a file is waited for");
        let found = find(&sessions, "PHPSESSID=a").await;
        writing.join().unwrap();
        if let Ok(found) = found {
            assert_eq!(found.unwrap().get("n"), Some(json!(2)));
            break;
        }
    }
}

#[test]
fn a_save_path_is_read_as_php_reads_it() {
    let folder = |path: &str| Files::new(path).map(|files| files.folder().to_owned());
    for path in ["/a", "2;/a", "2;0600;/a"] {
        assert_eq!(folder(path), Ok("/a".into()), "{path}");
    }
    for path in ["x;/a", "17;/a", "-1;/a"] {
        assert_eq!(folder(path), Err(SavePathError::Depth(path.to_owned())));
    }
    for path in ["sessions", "", "2;", "2;a"] {
        assert_eq!(folder(path), Err(SavePathError::Folder(path.to_owned())));
    }
}
