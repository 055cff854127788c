"""A secondary that the tests play: an authority over UDP and TCP that says what it is told to say."""

import socket
import socketserver
import struct
import threading

import dns.flags
import dns.message
import dns.rcode
import dns.rrset


class PlayedSecondary:
    """Answers marker and SOA of the zones in `serials`; REFUSED for others.

    `deaf`: does not answer at all. `truncates`: says over UDP that one must ask over TCP.
    `authority`: whether it says that it is one.
    """

    def __init__(self) -> None:
        self.serials: dict[str, int] = {}
        self.deaf = self.truncates = False
        self.authority = True
        self.tcp_questions = 0
        self.ended = threading.Event()
        self.tcp, self.udp = self._bound()
        self.port = self.tcp.server_address[1]
        for server in (self.udp, self.tcp):
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def _bound(self) -> tuple[socketserver.TCPServer, socketserver.UDPServer]:
        """Both servers on one port that is free for both."""
        while True:
            tcp = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._handler(socket.SOCK_STREAM))
            try:
                return tcp, socketserver.ThreadingUDPServer(
                    tcp.server_address, self._handler(socket.SOCK_DGRAM)
                )
            except OSError:  # somebody else has it for UDP
                tcp.server_close()

    def stop(self) -> None:
        """Close its sockets."""
        self.ended.set()
        for server in (self.udp, self.tcp):
            server.shutdown()
            server.server_close()

    def _handler(self, kind: int) -> type[socketserver.BaseRequestHandler]:
        played = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                if kind == socket.SOCK_DGRAM:
                    data, sock = self.request
                    if answer := played.answer(data, udp=True):
                        sock.sendto(answer, self.client_address)
                    return
                head = self.request.recv(2)
                if len(head) == 2:
                    played.tcp_questions += 1
                    data = self.request.recv(struct.unpack("!H", head)[0])
                    if answer := played.answer(data, udp=False):
                        self.request.sendall(struct.pack("!H", len(answer)) + answer)
                    else:
                        played.ended.wait(10)

        return Handler

    def answer(self, data: bytes, *, udp: bool) -> bytes | None:
        """What it says to one question."""
        if self.deaf:
            return None
        query = dns.message.from_wire(data)
        response = dns.message.make_response(query)
        if self.authority:
            response.flags |= dns.flags.AA
        name = query.question[0].name.to_text().rstrip(".")
        marker = name.startswith("_rev.")
        apex = name.removeprefix("_rev.")
        if apex not in self.serials:
            response.set_rcode(dns.rcode.REFUSED)
        elif self.truncates and udp:
            response.flags |= dns.flags.TC
        else:
            serial = self.serials[apex]
            text = f'"{serial}"' if marker else f"ns.{apex}. h.{apex}. {serial} 1 1 1 1"
            kind = "TXT" if marker else "SOA"
            response.answer.append(dns.rrset.from_text(f"{name}.", 5, "IN", kind, text))
        return response.to_wire()
