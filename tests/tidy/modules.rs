//! The modules of a crate: the definitions, imports and names of each.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::files::{name, read, repository};
use super::tokens::{behind_group, tokens};

/// The modules of a crate. The roots are first.
#[derive(Debug, Default)]
pub(crate) struct Modules(pub(crate) Vec<Module>);

/// A module, in a file or in braces.
#[derive(Debug, Default)]
pub(crate) struct Module {
    pub(crate) name: String,
    /// The file that contains it.
    pub(crate) file: String,
    pub(crate) parent: Option<usize>,
    /// The modules in it.
    pub(crate) children: Vec<usize>,
    /// The names of the items that it defines.
    pub(crate) definitions: BTreeSet<String>,
    pub(crate) imports: Vec<Import>,
    /// The paths with two or more words in its code.
    pub(crate) paths: BTreeSet<Vec<String>>,
    /// The single words in its code.
    pub(crate) words: BTreeSet<String>,
}

/// A leaf of a `use`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Import {
    pub(crate) path: Vec<String>,
    /// The name that the import introduces; `*` for all.
    pub(crate) alias: String,
    /// True if other modules see the import: a re-export.
    pub(crate) is_public: bool,
}

impl Modules {
    /// Reads the modules that are reached from `lib.rs` and `main.rs` in a directory, without
    /// tests.
    pub(crate) fn read(root: &str) -> Self {
        let mut modules = Self::default();
        let directory = repository().join(root);
        for file in ["lib.rs", "main.rs"].map(|file| directory.join(file)) {
            if file.exists() {
                modules.add_file(String::new(), None, &file, &directory);
            }
        }
        modules
    }

    /// Reads the modules of a text, each of which represents a file with its name.
    pub(crate) fn in_braces(text: &str) -> Self {
        let mut modules = Self::default();
        modules.add(Module::default(), &tokens(text), Path::new(""));
        for module in &mut modules.0 {
            module.file.clone_from(&module.name);
        }
        modules
    }

    /// Reads the module in a file, whose children are in this directory.
    fn add_file(
        &mut self,
        called: String,
        parent: Option<usize>,
        file: &Path,
        directory: &Path,
    ) -> usize {
        let module = Module {
            name: called,
            file: name(file),
            parent,
            ..Module::default()
        };
        self.add(module, &tokens(&read(file)), directory)
    }

    fn add(&mut self, module: Module, tokens: &[String], directory: &Path) -> usize {
        let key = self.0.len();
        let file = module.file.clone();
        self.0.push(module);
        let mut reader = Reader { tokens, at: 0 };
        let mut depth = 0;
        while let Some(token) = reader.next() {
            match token {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                "pub" => {
                    let is_public = reader.is_public();
                    if reader.take("use") {
                        self.0[key].imports.extend(reader.imports(is_public));
                    }
                }
                // Not the `use<…>` of a bound.
                "use" if !reader.is_at("<") => self.0[key].imports.extend(reader.imports(false)),
                "mod" if depth == 0 => {
                    let child = reader.next().unwrap_or_default().to_owned();
                    let inner = directory.join(&child);
                    let child = if reader.take(";") {
                        self.add_file(child, Some(key), &file_of(directory, &inner), &inner)
                    } else {
                        let module = Module {
                            name: child,
                            file: file.clone(),
                            parent: Some(key),
                            ..Module::default()
                        };
                        self.add(module, reader.group(), &inner)
                    };
                    self.0[key].children.push(child);
                }
                "fn" | "struct" | "enum" | "union" | "trait" | "type" | "const" | "static"
                    if depth == 0 =>
                {
                    reader.take("mut");
                    if let Some(name) = reader.word() {
                        self.0[key].definitions.insert(name);
                    }
                }
                "macro_rules" if reader.take("!") => {
                    self.0[key].definitions.extend(reader.word());
                }
                // A method or a field, but not the word after `..`.
                "." if !reader.take(".") => drop(reader.word()),
                // A path that begins outside (`::std`), or at a type (`<T as X>::Y`).
                "::" => drop(reader.word().map(|first| reader.path(first))),
                token if is_word(token) => {
                    let path = reader.path(token.to_owned());
                    match &path[..] {
                        [word] => drop(self.0[key].words.insert(word.clone())),
                        _ => drop(self.0[key].paths.insert(path)),
                    }
                }
                _ => {}
            }
        }
        key
    }
}

fn file_of(directory: &Path, module: &Path) -> PathBuf {
    let file = module.with_extension("rs");
    let nested = module.join("mod.rs");
    let found = [file, nested].into_iter().find(|file| file.exists());
    found.unwrap_or_else(|| panic!("no file for {module:?} in {}", directory.display()))
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// A cursor over the tokens of a module.
struct Reader<'a> {
    tokens: &'a [String],
    at: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let token = self.tokens.get(self.at)?;
        self.at += 1;
        Some(token)
    }

    fn is_at(&self, token: &str) -> bool {
        self.tokens.get(self.at).is_some_and(|other| other == token)
    }

    fn take(&mut self, token: &str) -> bool {
        let is_there = self.is_at(token);
        self.at += usize::from(is_there);
        is_there
    }

    fn word(&mut self) -> Option<String> {
        let word = self.tokens.get(self.at).filter(|token| is_word(token))?;
        self.at += 1;
        Some(word.clone())
    }

    /// Skips the restriction of a `pub`. Returns false for `pub(self)`, which is private.
    fn is_public(&mut self) -> bool {
        let restricted = ["crate", "super", "self", "in"];
        let inside = self.tokens.get(self.at + 1).map_or("", String::as_str);
        if !self.is_at("(") || !restricted.contains(&inside) {
            return true;
        }
        self.at = behind_group(self.tokens, self.at);
        inside != "self"
    }

    /// Returns the tokens in the braces that follow.
    fn group(&mut self) -> &'a [String] {
        let start = self.at;
        self.at = behind_group(self.tokens, start);
        &self.tokens[start + 1..self.at - 1]
    }

    /// Returns a path from its first word and all following pairs of `::` and a word.
    fn path(&mut self, first: String) -> Vec<String> {
        let mut path = vec![first];
        while self.is_at("::") {
            self.at += 1;
            match self.word() {
                Some(word) => path.push(word),
                None => break,
            }
        }
        path
    }

    /// Returns the leaves of a `use`, up to its semicolon.
    fn imports(&mut self, is_public: bool) -> Vec<Import> {
        // A path that begins outside: `use ::std`.
        self.take("::");
        let mut leaves = Vec::new();
        self.tree(&[], &mut leaves);
        self.take(";");
        let import = |(path, alias)| Import {
            path,
            alias,
            is_public,
        };
        leaves.into_iter().map(import).collect()
    }

    fn tree(&mut self, prefix: &[String], leaves: &mut Vec<(Vec<String>, String)>) {
        let mut path = prefix.to_vec();
        loop {
            if self.take("{") {
                while !self.take("}") {
                    self.tree(&path, leaves);
                    self.take(",");
                }
                return;
            }
            if self.take("*") {
                leaves.push((path, "*".to_owned()));
                return;
            }
            let word = self.word().expect("a path in a `use`");
            // `{self, …}` imports the path before the brace.
            if word != "self" || path.is_empty() {
                path.push(word);
            }
            if !self.take("::") {
                break;
            }
        }
        let last = path.last().cloned().unwrap_or_default();
        let alias = if self.take("as") { self.word() } else { None };
        leaves.push((path, alias.unwrap_or(last)));
    }
}

#[test]
fn nested_imports_are_split() {
    let text = "pub(crate) use crate::{a::b, c as d, e::{self, *}}; use super::super::f as _;";
    let modules = Modules::in_braces(text);
    let imports = modules.0[0].imports.iter();
    let told: Vec<String> = imports
        .map(|import| {
            let mark = if import.is_public { "+" } else { "" };
            format!("{mark}{} {}", import.path.join("::"), import.alias)
        })
        .collect();
    let expected = [
        "+crate::a::b b",
        "+crate::c d",
        "+crate::e e",
        "+crate::e *",
        "super::super::f _",
    ];
    assert_eq!(told, expected);
}
