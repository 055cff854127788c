-- What the origin is told of a client's certificate, where a site asks for one: headers that no client can send itself,
-- since those are always dropped.
--
--   client_certificates.headers("SUCCESS", pem, "CN=Till 7")
--     -->  { verify = "SUCCESS", fingerprint = "3b1c…", subject = "CN=Till 7", certificate = ":MIIB…:" }
--   client_certificates.headers("FAILED:certificate has expired", pem, subject)  -->  { verify = "FAILED:…" }
--
-- Of a certificate that was not verified only that is told: its contents are whatever its maker liked.
local ffi = require "ffi"

ffi.cdef "unsigned char *SHA256(const unsigned char *data, size_t length, unsigned char *digest);"

local _M = {}

local digest = ffi.new("unsigned char[32]")

local function hexadecimal(bytes)
  return (bytes:gsub(".", function(byte)
    return string.format("%02x", byte:byte())
  end))
end

-- pem: of the leaf, as nginx has it in $ssl_client_raw_cert.
function _M.headers(verify, pem, subject)
  local base64 = verify == "SUCCESS" and (pem or ""):match("BEGIN CERTIFICATE%-+(.-)%-+END")
  local der = base64 and ngx.decode_base64((base64:gsub("%s", "")))
  if not der then
    return { verify = verify }
  end
  ffi.C.SHA256(der, #der, digest)
  return {
    verify = verify,
    fingerprint = hexadecimal(ffi.string(digest, 32)),
    subject = subject,
    certificate = ":" .. base64:gsub("%s", "") .. ":", -- a byte sequence of RFC 8941, as RFC 9440 wants it
  }
end

return _M
