// `java -cp NETTY'S-JARS EchoNetty.java PORT`: an echo of netty (Debian: libnetty-java), with the handlers that its
// documentation names.

import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.websocketx.WebSocketFrame;
import io.netty.handler.codec.http.websocketx.WebSocketFrameAggregator;
import io.netty.handler.codec.http.websocketx.WebSocketServerProtocolConfig;
import io.netty.handler.codec.http.websocketx.WebSocketServerProtocolHandler;
import io.netty.handler.codec.http.websocketx.extensions.compression.WebSocketServerCompressionHandler;

public final class EchoNetty {
    private static final int LARGEST = 64 << 20;

    public static void main(String[] arguments) throws Exception {
        var protocol = WebSocketServerProtocolConfig.newBuilder()
            .websocketPath("/")
            .allowExtensions(true)
            .maxFramePayloadLength(LARGEST)
            .build();
        var connections = new ChannelInitializer<SocketChannel>() {
            @Override
            protected void initChannel(SocketChannel channel) {
                channel.pipeline().addLast(
                    new HttpServerCodec(),
                    new HttpObjectAggregator(65536),
                    new WebSocketServerCompressionHandler(),
                    new WebSocketServerProtocolHandler(protocol),
                    new WebSocketFrameAggregator(LARGEST),
                    new Echo());
            }
        };
        new ServerBootstrap()
            .group(new NioEventLoopGroup())
            .channel(NioServerSocketChannel.class)
            .childHandler(connections)
            .bind("127.0.0.1", Integer.parseInt(arguments[0]))
            .sync();
    }

    private static final class Echo extends SimpleChannelInboundHandler<WebSocketFrame> {
        @Override
        protected void channelRead0(ChannelHandlerContext context, WebSocketFrame frame) {
            context.writeAndFlush(frame.retain());
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
            // The decoder has sent its close.
        }
    }
}
