"""The edge's Lua inside a real nginx: shared memory, timers and sockets, without the rest of an edge."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import requests

from edge.runtime import lua_modules, nginx_binary
from tests.servers import ROOT, eventually, free_port

CONF = """
{modules}
{user}
worker_processes 1; daemon off; pid "{dir}/pid"; error_log "{dir}/error.log" notice;
events {{}}
http {{
  access_log off;
  client_body_temp_path "{dir}/body"; proxy_temp_path "{dir}/proxy"; fastcgi_temp_path "{dir}/fastcgi";
  uwsgi_temp_path "{dir}/uwsgi"; scgi_temp_path "{dir}/scgi";
  lua_package_path "{root}/edge/lua/?.lua;;";
  {dicts}
  init_by_lua_block {{
    require "resty.core"
    require("cirrus.settings").load("{dir}/settings.json")
    require("cirrus.resolver").prepare()
    require("cirrus.beacon").open("{dir}")
    ngx.shared.cirrus_state:add("started", ngx.now())
  }}
  server {{
    listen 127.0.0.1:{port};
    client_max_body_size 1m;
    client_body_buffer_size 1m;
    location / {{
      content_by_lua_block {{
        ngx.req.read_body()
        local code = assert(loadstring(ngx.req.get_body_data()))
        ngx.print(require("cjson").encode({{ code() }}))
      }}
    }}
  }}
}}
"""
DICTS = {"cirrus_metrics": "16m", "cirrus_state": "1m", "cirrus_docs": "1m", "cirrus_traffic": "16m"}


class LuaServer:
    """`run("return 1 + 1")` → [2], in the one worker of an nginx in `folder`."""

    def __init__(self, folder: Path, *, settings: dict[str, Any], **sizes: str) -> None:
        self.port = free_port()
        nginx = nginx_binary()
        (folder / "settings.json").write_text(
            json.dumps({"resolvers": [], "origin_deny": [], "origin_allow": [], **settings})
        )
        (folder / "nginx.conf").write_text(
            CONF.format(
                modules="\n".join(f'load_module "{path}";' for path in lua_modules(nginx)),
                user="user root;" if os.geteuid() == 0 else "",  # the folder is this user's alone
                dicts="\n".join(f"lua_shared_dict {n} {size};" for n, size in {**DICTS, **sizes}.items()),
                **{"dir": folder, "root": ROOT, "port": self.port},
            )
        )
        self.process = subprocess.Popen([nginx, "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr"])
        eventually(lambda: self.run("return 1") == [1])

    def run(self, code: str) -> Any:
        """What the code returns, through JSON."""
        response = requests.post(f"http://127.0.0.1:{self.port}/", data=code.encode(), timeout=60)
        response.raise_for_status()
        return response.json()

    def stop(self) -> None:
        """End it, and wait until it is gone."""
        self.process.terminate()
        self.process.wait(timeout=20)
