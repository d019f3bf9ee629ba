# Each recipe is one line that works without just.

# serve a chat in every protocol on 127.0.0.1:8080
serve:
    cargo run --release -- serve --protocols all

# what is quick, before a commit
check:
    cargo fmt --all --check && cargo clippy --workspace --all-targets -- -D warnings && cargo test -p polysock --test tidy

# all that needs no third party
test:
    cargo test --workspace

# everything; what CI runs
all:
    tests/all

# the recorded sessions, cut at every point
fixtures:
    cargo run -- replay compat-fixtures --split every-point

# the Autobahn|Testsuite, in both roles
conformance:
    tests/conformance

# the book in target/book, and what it says tried with a build that is there
book:
    cargo build && POLYSOCK=target/debug/polysock tests/book

# instructions of the hot paths
instructions:
    benches/instructions

# one file without libraries, for any Linux of this processor
static:
    RUSTFLAGS='-C target-feature=+crt-static' cargo build --release -p polysock-cli --target "$(rustc -vV | sed -n 's/^host: //p')"

# what operators install, checked
packaging:
    packaging/check

# the package for Debian, of a release build
deb:
    cargo build --release -p polysock-cli && packaging/deb

# what stands in the way of a release
release:
    tests/release

# beside other servers
compare:
    benches/compare

# each fuzz target for a minute
fuzz:
    protocols/fuzz/smoke && instrument/fuzz/smoke && web/fuzz/smoke && tests/fuzz/smoke
