# The directory of the peers. install and run source this file.

peers=${POLYSOCK_PEERS:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)/target/peers}

# Prints the path of a Python 2.7, or nothing. A pyenv shim on the PATH may exist and not work.
find_python2() {
  local candidate
  for candidate in "${PYTHON2:-}" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7*/bin/python python2.7; do
    if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (2, 7))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
}
