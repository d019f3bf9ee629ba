// `node echo-ws.js PORT [MODULE]`: an echo of npm's ws, with compression for those who offer it where a
// MODULE is named (tests/conformance), and without as it comes.
const [port, name] = process.argv.slice(2);
const { WebSocketServer } = require(name ?? "ws");

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(port), perMessageDeflate: name !== undefined });
server.on("connection", (connection) => {
  connection.on("error", () => {});
  connection.on("message", (data, isBinary) => connection.send(data, { binary: isBinary }));
});
