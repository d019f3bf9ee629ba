//! How connections end: in every protocol and both roles, what the peer sees on the wire, what the
//! application is told, and what the log says.

use std::any::Any;
use std::thread;

pub mod peer;
pub mod table;

/// Looks at every row of a table, each in a thread, and fails with what differs in any. A row that
/// panics is one that differs.
#[track_caller]
pub fn assert_all<T: Sync>(
    table: &[T],
    name: impl Fn(&T) -> String,
    differences: impl Fn(&T) -> Vec<String> + Sync,
) {
    let differences = &differences;
    let all: Vec<String> = thread::scope(|scope| {
        let rows = table
            .iter()
            .map(|row| (name(row), scope.spawn(move || differences(row))));
        let rows: Vec<_> = rows.collect();
        let differing = rows.into_iter().flat_map(|(name, row)| {
            row.join()
                .unwrap_or_else(|panic| vec![format!("{name}:\n  {}\n", said(&*panic))])
        });
        differing.collect()
    });
    assert!(all.is_empty(), "\n{}", all.concat());
}

/// What was said by who panicked.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a text")
}
