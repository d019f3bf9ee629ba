"""A Django site with django-grip: a room of WebSockets, a held stream and a long poll, and a form that publishes to all
of them.

Prints its listening address. $PUBLISH_AT is a file with the GRIP_URL, which must exist before the first request.
"""

import os
import threading
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

ONCE = threading.Lock()


def room(request):
    """Handles the requests of a gateway for a client: one when it connects, and one for its messages."""
    from django.http import HttpResponse, HttpResponseForbidden

    if not request.grip.signed:
        return HttpResponseForbidden("this is for our gateway")
    socket = request.wscontext
    if socket.is_opening():
        socket.accept()
        socket.subscribe("room")
        socket.send("welcome")
    while socket.can_recv():
        try:
            said = socket.recv()
        except IOError:
            # The client has disconnected without a close.
            break
        if said is None:
            socket.close()
            break
        socket.send("you said " + said)
    return HttpResponse()


def feed(request):
    """Holds a request as a stream of the room."""
    from django.http import HttpResponse, HttpResponseForbidden
    from django_grip import set_hold_stream

    if not request.grip.signed:
        return HttpResponseForbidden("this is for our gateway")
    set_hold_stream(request, "room", keep_alive_data=":\n\n", keep_alive_timeout=20)
    return HttpResponse("data: welcome\n\n", content_type="text/event-stream")


def poll(request):
    """Holds a request until the next publication in the room."""
    from django.http import HttpResponse, HttpResponseForbidden
    from django_grip import set_hold_longpoll

    if not request.grip.signed:
        return HttpResponseForbidden("this is for our gateway")
    set_hold_longpoll(request, "room", timeout=20)
    return HttpResponse("nothing", content_type="text/plain")


def say(request):
    """Handles the form: publishes its text in the room."""
    from django.http import HttpResponse
    from django_grip import publish
    from gripcontrol import HttpResponseFormat, HttpStreamFormat, WebSocketMessageFormat

    text = request.POST["text"]
    formats = [
        WebSocketMessageFormat(text),
        HttpStreamFormat("data: %s\n\n" % text),
        HttpResponseFormat(code=201, headers={"X-Room": "room"}, body=text),
    ]
    publish("room", formats, blocking=True)
    return HttpResponse("said\n")


def site():
    """Returns the site. The first request sets it up, because django-grip reads its settings on import."""
    import django
    from django.conf import settings

    with ONCE:
        if not settings.configured:
            with open(os.environ["PUBLISH_AT"]) as file:
                grip_url = file.read().strip()
            settings.configure(
                SECRET_KEY="of this test",
                ALLOWED_HOSTS=["*"],
                ROOT_URLCONF=urls(),
                MIDDLEWARE=["django_grip.GripMiddleware"],
                GRIP_URL=grip_url,
            )
            django.setup()
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


def urls():
    """Returns the paths of the site as a module."""
    import types

    from django.urls import path

    module = types.ModuleType("urls")
    module.urlpatterns = [path("room", room), path("feed", feed), path("poll", poll), path("say", say)]
    return module


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


def main():
    served = make_server(
        "127.0.0.1", 0, lambda environ, start: site()(environ, start), server_class=Server, handler_class=Quiet
    )
    print("listening on %s:%d" % served.server_address, flush=True)
    served.serve_forever()


main()
