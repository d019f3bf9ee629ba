// `node echo-ws.js PORT`: an echo of npm's ws.
const { WebSocketServer } = require("ws");

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]) });
server.on("connection", (connection) => {
  connection.on("error", () => {});
  connection.on("message", (data, isBinary) => connection.send(data, { binary: isBinary }));
});
