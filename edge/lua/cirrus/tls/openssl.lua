-- What this edge asks of OpenSSL itself, since nginx and its Lua module have no words for it. All of it is in nginx's
-- own process (libssl and libcrypto 1.1.1 or 3).
--
--   openssl.connection()                     the connection whose hands are being shaken, for the functions below
--   openssl.x509(der), openssl.private_key(bytes, length)   parsed, freed with the last reference; or nil
--   openssl.use(connection, leaf, key, chain)   serve this certificate; true where it was taken
local base = require "resty.core.base"
local ffi = require "ffi"

-- Only pointers to what OpenSSL keeps to itself.
ffi.cdef [[
void *cirrus_connection(void *request, char **problem) __asm__("ngx_http_lua_ffi_get_req_ssl_pointer");

long SSL_ctrl(void *ssl, int command, long number, void *pointer);
long SSL_CTX_ctrl(void *context, int command, long number, void *pointer);
unsigned long SSL_set_options(void *ssl, unsigned long options);
int SSL_set_num_tickets(void *ssl, size_t count);
int SSL_CTX_set_num_tickets(void *context, size_t count);
int SSL_set_session_id_context(void *ssl, const char *context, unsigned int length);
int SSL_use_cert_and_key(void *ssl, void *leaf, void *key, void *chain, int override);
void SSL_set_cert_cb(void *ssl, void *callback, void *argument);
unsigned int SSL_client_hello_get0_legacy_version(void *ssl);
void *SSL_get_SSL_CTX(const void *ssl);
void *SSL_CTX_get_ex_data(const void *context, int index);
void *SSL_get_wbio(const void *ssl);
int BIO_write(void *bio, const char *bytes, int length);

void *d2i_X509(void **into, const unsigned char **from, long length);
void *d2i_AutoPrivateKey(void **into, const unsigned char **from, long length);
int X509_check_private_key(void *certificate, void *key);
void X509_free(void *certificate);
void EVP_PKEY_free(void *key);
void *OPENSSL_sk_new_null(void);
int OPENSSL_sk_push(void *stack, const void *item);
void OPENSSL_sk_free(void *stack);

void *EVP_CIPHER_CTX_new(void);
void EVP_CIPHER_CTX_free(void *context);
int EVP_CIPHER_CTX_ctrl(void *context, int command, int number, void *pointer);
const void *EVP_aes_256_gcm(void);
int EVP_DecryptInit_ex(void *context, const void *cipher, void *engine, const unsigned char *key,
                       const unsigned char *nonce);
int EVP_DecryptUpdate(void *context, unsigned char *out, int *length, const unsigned char *data, int size);
int EVP_DecryptFinal_ex(void *context, unsigned char *out, int *length);

unsigned char *SHA256(const unsigned char *data, size_t length, unsigned char *digest);
int RAND_bytes(unsigned char *bytes, int count);
void OPENSSL_cleanse(void *bytes, size_t length);
void ERR_clear_error(void);
]]

local C = ffi.C
local get_request = base.get_request

local _M = {}

local SET_MIN_VERSION, SESS_ACCEPT, SESS_ACCEPT_GOOD, SESS_HIT = 123, 24, 25, 27
local NO_TICKET = 0x4000
local SET_TAG, TAG = 0x11, 16

_M.TLS_1_2, _M.TLS_1_3 = 0x0303, 0x0304

local problem = ffi.new("char *[1]")

function _M.connection()
  return C.cirrus_connection(get_request(), problem)
end

-- -- a handshake ------------------------------------------------------------------------------------

-- Leave ssl_certificate_by_lua out.
function _M.skip_certificate_phase(connection)
  C.SSL_set_cert_cb(connection, nil, nil)
end

function _M.use(connection, leaf, key, chain)
  return C.SSL_use_cert_and_key(connection, leaf, key, chain, 1) == 1
end

function _M.require_version(connection, version)
  C.SSL_ctrl(connection, SET_MIN_VERSION, version, nil)
end

-- Sessions are resumed only where they began: `context` is up to 32 bytes.
function _M.bind_sessions(connection, context)
  C.SSL_set_session_id_context(connection, context, #context)
end

function _M.without_tickets(connection)
  C.SSL_set_options(connection, NO_TICKET)
  C.SSL_set_num_tickets(connection, 0)
end

-- For connections from now on.
function _M.give_tickets(connection, count)
  C.SSL_CTX_set_num_tickets(C.SSL_get_SSL_CTX(connection), count)
end

-- The version of a client that knows no TLS 1.3, and never more than TLS 1.2.
function _M.legacy_version(connection)
  return C.SSL_client_hello_get0_legacy_version(connection)
end

-- Tell the client why the handshake ends. OpenSSL has an alert of its own for this, but lets nobody choose which: this
-- one comes before it, and a client goes by the first. Nothing is encrypted at this point (RFC 8446 section 6).
function _M.alert(connection, description)
  C.BIO_write(C.SSL_get_wbio(connection), "\21\3\3\0\2\2" .. string.char(description), 7)
end

-- What all handshakes of a server share, and how many there were: begun, finished, and finished by resuming a session.
function _M.context(connection)
  return C.SSL_get_SSL_CTX(connection)
end

function _M.counts(context)
  return tonumber(C.SSL_CTX_ctrl(context, SESS_ACCEPT, 0, nil)),
    tonumber(C.SSL_CTX_ctrl(context, SESS_ACCEPT_GOOD, 0, nil)),
    tonumber(C.SSL_CTX_ctrl(context, SESS_HIT, 0, nil))
end

-- -- certificates and keys --------------------------------------------------------------------------

local at = ffi.new("const unsigned char *[1]")

function _M.x509(der)
  at[0] = ffi.cast("const unsigned char *", der)
  local found = C.d2i_X509(nil, at, #der)
  if found == nil then
    C.ERR_clear_error()
    return nil
  end
  return ffi.gc(found, C.X509_free)
end

-- bytes: DER, as a pointer.
function _M.private_key(bytes, length)
  at[0] = ffi.cast("const unsigned char *", bytes)
  local found = C.d2i_AutoPrivateKey(nil, at, length)
  C.ERR_clear_error()
  return found ~= nil and ffi.gc(found, C.EVP_PKEY_free) or nil
end

function _M.belongs(key, certificate)
  local does = C.X509_check_private_key(certificate, key) == 1
  C.ERR_clear_error()
  return does
end

-- certificates: a list, which must live as long as the stack.
function _M.stack(certificates)
  local stack = ffi.gc(C.OPENSSL_sk_new_null(), C.OPENSSL_sk_free)
  for _, certificate in ipairs(certificates) do
    C.OPENSSL_sk_push(stack, certificate)
  end
  return stack
end

-- -- bytes ------------------------------------------------------------------------------------------

local digest = ffi.new("unsigned char[32]")
local length = ffi.new("int[1]")

-- 32 bytes, as a text.
function _M.sha256(text)
  C.SHA256(text, #text, digest)
  return ffi.string(digest, 32)
end

function _M.fill_randomly(bytes, count)
  assert(C.RAND_bytes(bytes, count) == 1, "there is no randomness")
end

-- What is left in OpenSSL's queue of errors would be taken for the next connection's.
function _M.clear_errors()
  C.ERR_clear_error()
end

function _M.wipe(bytes, count)
  C.OPENSSL_cleanse(bytes, count)
end

-- Open what AES-256-GCM has sealed: ciphertext and tag after a nonce of 12 bytes, as cryptography's AESGCM writes them.
-- A pointer to the secret and its length, to be wiped after use; nil where key, text or associated data are others.
function _M.open(key, nonce, sealed, associated)
  local size = #sealed - TAG
  if size < 0 then
    return nil
  end
  local context = C.EVP_CIPHER_CTX_new()
  local out, bytes = ffi.new("unsigned char[?]", size + TAG), ffi.cast("unsigned char *", sealed)
  local opened = C.EVP_DecryptInit_ex(context, C.EVP_aes_256_gcm(), nil, key, nonce) == 1
    and C.EVP_DecryptUpdate(context, nil, length, associated, #associated) == 1
    and C.EVP_DecryptUpdate(context, out, length, bytes, size) == 1
    and C.EVP_CIPHER_CTX_ctrl(context, SET_TAG, TAG, bytes + size) == 1
    and C.EVP_DecryptFinal_ex(context, out + size, length) == 1
  C.EVP_CIPHER_CTX_free(context)
  if not opened then
    C.OPENSSL_cleanse(out, size + TAG)
    C.ERR_clear_error()
    return nil
  end
  return out, size
end

return _M
