// `node chat-ws.js PORT`: a chat of npm's ws, in which everybody hears what the others say.
const { WebSocketServer } = require("ws");

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]), perMessageDeflate: false });
server.on("connection", (connection) => {
  connection.on("error", () => {});
  connection.on("message", (data, isBinary) => {
    for (const other of server.clients) {
      if (other !== connection) other.send(data, { binary: isBinary });
    }
  });
});
