"""A Django site with django-grip: a room of WebSockets, a stream and a poll beside it, and a form that says something
to all of them.

It says where it listens. $PUBLISH_AT is a file with its GRIP_URL, which is there before the first request is.
"""

import os
import threading
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

ONCE = threading.Lock()


def room(request):
    """What a gateway asks for a client: once as it comes, and then for each thing that it says."""
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
            # The client has gone without a word.
            break
        if said is None:
            socket.close()
            break
        socket.send("you said " + said)
    return HttpResponse()


def feed(request):
    """The room as a stream."""
    from django.http import HttpResponse, HttpResponseForbidden
    from django_grip import set_hold_stream

    if not request.grip.signed:
        return HttpResponseForbidden("this is for our gateway")
    set_hold_stream(request, "room", keep_alive_data=":\n\n", keep_alive_timeout=20)
    return HttpResponse("data: welcome\n\n", content_type="text/event-stream")


def poll(request):
    """What is said next in the room."""
    from django.http import HttpResponse, HttpResponseForbidden
    from django_grip import set_hold_longpoll

    if not request.grip.signed:
        return HttpResponseForbidden("this is for our gateway")
    set_hold_longpoll(request, "room", timeout=20)
    return HttpResponse("nothing", content_type="text/plain")


def say(request):
    """What the form is sent to."""
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
    """The site, which is set up when it is first asked: django-grip reads its settings as it is imported."""
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
    """The paths of the site, as a module."""
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
