//! The uses between files: which file uses which item of which other file.
//!
//! A file uses another if a path in it leads to an item that the other file *defines*. Such paths
//! begin with `crate`, `self` or `super`, in a `use` or in the code, or with an imported name, or
//! with a module of its own. The details:
//!
//! - Re-exports and imports are followed to the file with the definition, through any number of
//!   `mod.rs`.
//! - To declare a module (`mod x;`), to import one (`use super::x;`), to re-export (`pub use
//!   self::x::Y;`) and to go through another module's re-export is to *pass* a file, not to use it.
//!   Passing causes no cycle, but a module may pass only modules below it. A re-export is used if
//!   its name is in the code of the same module.
//! - A type belongs to the file that declares it: methods and trait implementations in other files
//!   are ignored. A child that implements its parent's type uses its parent; the parent that calls
//!   the method does not use the child.
//! - A module and the files below it form a unit: a parent uses its children, and they use it
//!   (`impl Parent`). Arrows between the two are not part of a cycle.
//! - Tests are ignored, and imports by `*` are refused.

use std::collections::{BTreeMap, BTreeSet};

use super::modules::{Import, Module, Modules};

/// A use of an item of another file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Arrow {
    pub(crate) from: String,
    pub(crate) to: String,
    /// The used item.
    pub(crate) item: String,
    /// True if `to` is only passed, as part of a path or by a re-export.
    pub(crate) is_passage: bool,
}

/// The target of a path.
enum Found {
    /// An item of a module, and its name.
    Item(usize, String),
    Module(usize),
    /// Another crate, or a name that belongs to no module.
    Outside,
    /// No target, although the path begins in this crate.
    Nothing,
}

/// The maximum number of imports and re-exports that are followed for a path.
const DEEPEST: usize = 20;

/// Returns the arrows of a crate, and the paths that cannot be followed.
pub(crate) fn arrows(modules: &Modules) -> (BTreeSet<Arrow>, Vec<String>) {
    let mut follower = Follower {
        modules: &modules.0,
        from: 0,
        passed: Vec::new(),
    };
    let (mut arrows, mut unclear) = (BTreeSet::new(), Vec::new());
    for (from, module) in modules.0.iter().enumerate() {
        let is_used = |import: &Import| !import.is_public || module.words.contains(&import.alias);
        let of_imports = module.imports.iter();
        let of_imports = of_imports.map(|import| (&import.path, is_used(import)));
        let of_code = module.paths.iter().map(|path| (path, true));
        for (path, is_used) in of_imports.chain(of_code) {
            follower.from = from;
            let found = follower.follow(from, path, 0);
            let last = path.last().cloned().unwrap_or_default();
            let ends = match found {
                Found::Item(at, item) => Some((at, item, !is_used)),
                Found::Module(at) => Some((at, last.clone(), true)),
                Found::Outside => None,
                Found::Nothing => {
                    unclear.push(format!("{}: {}", module.file, path.join("::")));
                    None
                }
            };
            let passed = follower.passed.drain(..);
            let passed = passed.map(|at| (at, last.clone(), true));
            for (to, item, is_passage) in passed.chain(ends) {
                let (from, to) = (module.file.clone(), modules.0[to].file.clone());
                if from != to {
                    arrows.insert(Arrow {
                        from,
                        to,
                        item,
                        is_passage,
                    });
                }
            }
        }
        let globs = module.imports.iter().filter(|import| import.alias == "*");
        for import in globs {
            if matches!(follower.follow(from, &import.path, 0), Found::Module(_)) {
                unclear.push(format!("{}: {}::*", module.file, import.path.join("::")));
            }
            follower.passed.clear();
        }
    }
    (arrows, unclear)
}

struct Follower<'a> {
    modules: &'a [Module],
    /// The module that contains the path.
    from: usize,
    /// The modules whose imports the path went through.
    passed: Vec<usize>,
}

impl Follower<'_> {
    /// Follows a path that a module contains.
    fn follow(&mut self, mut at: usize, path: &[String], depth: usize) -> Found {
        let mut rest = path;
        let mut is_from_here = false;
        while let [first, after @ ..] = rest {
            let module = &self.modules[at];
            at = match first.as_str() {
                "self" => at,
                "crate" => self.root(at),
                "super" => module.parent.expect("a module above the root"),
                _ => break,
            };
            (rest, is_from_here) = (after, true);
        }
        if depth > DEEPEST {
            return Found::Outside;
        }
        while let [first, after @ ..] = rest {
            let module = &self.modules[at];
            let mut children = module.children.iter().copied();
            let child = children.find(|child| self.modules[*child].name == *first);
            let is_defined = module.definitions.contains(first);
            let mut imports = module.imports.iter();
            // A module and a function may have the same name: the rest of the path distinguishes
            // them.
            if let Some(child) = child.filter(|_| !is_defined || !after.is_empty()) {
                (at, rest, is_from_here) = (child, after, true);
            } else if is_defined {
                return Found::Item(at, first.clone());
            } else if let Some(import) = imports.find(|import| import.alias == *first) {
                if at != self.from {
                    self.passed.push(at);
                }
                let path = [&import.path[..], after].concat();
                return self.follow(at, &path, depth + 1);
            } else if is_from_here {
                return Found::Nothing;
            } else {
                return Found::Outside;
            }
        }
        Found::Module(at)
    }

    fn root(&self, mut at: usize) -> usize {
        while let Some(parent) = self.modules[at].parent {
            at = parent;
        }
        at
    }
}

/// Returns the cycles: the files of each, in order, and the arrows between them.
pub(crate) fn circles(arrows: &BTreeSet<Arrow>) -> Vec<(Vec<&str>, Vec<&Arrow>)> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let counts = |arrow: &&Arrow| !arrow.is_passage && !is_in_the_family(&arrow.from, &arrow.to);
    for arrow in arrows.iter().filter(counts) {
        next.entry(&arrow.from).or_default().insert(&arrow.to);
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> = next
        .keys()
        .map(|start| (*start, reached(start, &next)))
        .collect();
    let reaches = |from: &str, to: &str| reached.get(from).is_some_and(|all| all.contains(to));
    let mut circles: Vec<(Vec<&str>, Vec<&Arrow>)> = Vec::new();
    for file in next.keys().copied().filter(|file| reaches(file, file)) {
        if circles.iter().any(|(files, _)| files.contains(&file)) {
            continue;
        }
        let is_with_it = |other: &&str| reaches(file, other) && reaches(other, file);
        let files: Vec<&str> = next.keys().copied().filter(is_with_it).collect();
        let is_inside = |arrow: &&Arrow| {
            counts(arrow)
                && [&arrow.from, &arrow.to].map(|end| files.contains(&&**end)) == [true; 2]
        };
        let inside = arrows.iter().filter(is_inside).collect();
        circles.push((files, inside));
    }
    circles
}

/// True if one of two files is the `mod.rs` of a module that contains the other.
fn is_in_the_family(one: &str, other: &str) -> bool {
    let below = |parent: &str| parent.strip_suffix("mod.rs").map(str::to_owned);
    let is_parent =
        |parent: &str, child: &str| below(parent).is_some_and(|folder| child.starts_with(&folder));
    is_parent(one, other) || is_parent(other, one)
}

/// Returns the files that are reached from a file in one or more steps.
fn reached<'a>(start: &str, next: &BTreeMap<&str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut waiting: Vec<&str> = vec![start];
    while let Some(file) = waiting.pop() {
        for step in next.get(file).into_iter().flatten() {
            if found.insert(*step) {
                waiting.push(step);
            }
        }
    }
    found
}

/// Returns the arrows of the code of a crate, whose modules in braces represent files.
fn arrows_of(code: &str) -> Vec<String> {
    let (arrows, unclear) = arrows(&Modules::in_braces(code));
    let from_it = arrows.iter().filter(|arrow| arrow.from == "c");
    let arrows = from_it.map(|arrow| {
        let mark = if arrow.is_passage { "by way of " } else { "" };
        format!("{} -> {mark}{} ({})", arrow.from, arrow.to, arrow.item)
    });
    let unclear = unclear.iter().map(|path| format!("? {path}"));
    arrows.chain(unclear).collect()
}

#[test]
fn a_use_refers_to_the_defining_file() {
    let base = "mod a { mod b { pub struct B; pub fn f() {} } pub use self::b::B; pub struct A; }";
    let rows: &[(&str, &[&str])] = &[
        ("use crate::a::A;", &["c -> a (A)"]),
        (
            "use crate::a::{A as Other, b::{self}};",
            &["c -> a (A)", "c -> by way of b (b)"],
        ),
        ("use crate::a::B;", &["c -> by way of a (B)", "c -> b (B)"]),
        (
            "use super::a; fn g() { a::b::f() }",
            &["c -> by way of a (a)", "c -> b (f)"],
        ),
        (
            "fn g() -> crate::a::A { super::a::A::new() }",
            &["c -> a (A)"],
        ),
        (
            "use crate::a::b::B as Mine; type T = Vec<Mine>;",
            &["c -> b (B)"],
        ),
        (
            "fn g(x: u8) { x.a::<u8>(0..crate::a::b::f()) }",
            &["c -> b (f)"],
        ),
        ("use std::io; fn g() { io::a(); a::b::f(); self::g() }", &[]),
        (
            "// crate::a::A\n#[cfg(test)] mod tests { use crate::a::A; }",
            &[],
        ),
        (
            "use crate::a::*;",
            &["c -> by way of a (a)", "? c: crate::a::*"],
        ),
        ("pub use crate::a::A;", &["c -> by way of a (A)"]),
        ("use crate::a::Missing;", &["? c: crate::a::Missing"]),
    ];
    for (code, expected) in rows {
        let found = arrows_of(&format!("{base} mod c {{ {code} }}"));
        assert_eq!(found, *expected, "{code}");
    }
}

#[test]
fn siblings_form_circles_and_a_module_with_its_submodules_does_not() {
    let rows: &[(&[(&str, &str)], usize)] = &[
        (&[("a/mod.rs", "a/b.rs"), ("a/b.rs", "a/mod.rs")], 0),
        (&[("a/mod.rs", "a/b/c.rs"), ("a/b/c.rs", "a/mod.rs")], 0),
        (&[("a/b.rs", "a/c.rs"), ("a/c.rs", "a/b.rs")], 1),
        (
            &[("a/b.rs", "a/c.rs"), ("a/c.rs", "d.rs"), ("d.rs", "a/b.rs")],
            1,
        ),
        (&[("a.rs", "ab/mod.rs"), ("ab/mod.rs", "a.rs")], 1),
    ];
    for (pairs, expected) in rows {
        let arrow = |(from, to): &(&str, &str)| Arrow {
            from: (*from).to_owned(),
            to: (*to).to_owned(),
            item: "x".into(),
            is_passage: false,
        };
        let arrows: BTreeSet<Arrow> = pairs.iter().map(arrow).collect();
        assert_eq!(circles(&arrows).len(), *expected, "{pairs:?}");
    }
}
