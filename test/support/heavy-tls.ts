import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import tls from 'node:tls'
import { onTestFinished } from 'vitest'

/** DER, by hand: no library makes what is as costly as these. */
function tlv(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const sized = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([tag, ...sized]), content])
}

const hex = (digits: string): Buffer => Buffer.from(digits, 'hex')
const sequence = (...parts: readonly Buffer[]): Buffer => tlv(0x30, ...parts)
const integer = (bytes: Buffer): Buffer => tlv(2, Buffer.from([0]), bytes)
const bits = (bytes: Buffer): Buffer => tlv(3, Buffer.from([0]), bytes)

function pem(label: string, der: Buffer): string {
  return `-----BEGIN ${label}-----\n${der.toString('base64').replaceAll(/.{64}/g, '$&\n')}\n-----END ${label}-----\n`
}

/** An odd number of so many bits. */
function odd(size: number): Buffer {
  const bytes = randomBytes(size / 8)
  bytes[0] = (bytes[0] ?? 0) | 0xc0
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 1
  return bytes
}

const SIGNED_BY = hex('300d06092a864886f70d01010b0500')
const RSA = hex('300d06092a864886f70d0101010500')
const IS_AUTHORITY = tlv(0xa3, sequence(sequence(hex('0603551d13'), hex('0101ff'), tlv(4, sequence(hex('0101ff'))))))
const nameOf = (name: string): Buffer => sequence(tlv(0x31, sequence(hex('0603550403'), tlv(0x0c, Buffer.from(name)))))
const time = (text: string): Buffer => tlv(0x17, Buffer.from(text))

function certificate(subject: string, issuer: string, key: Buffer, more: readonly Buffer[]): string {
  const valid = sequence(time('250101000000Z'), time('490101000000Z'))
  const signed = sequence(hex('a003020102'), integer(odd(64)), SIGNED_BY, nameOf(issuer), valid, nameOf(subject), key, ...more)
  const signature = randomBytes(384)
  signature[0] = 0
  return pem('CERTIFICATE', sequence(signed, SIGNED_BY, bits(signature)))
}

/** A server whose chain has so many keys as long, and with exponents as long, as OpenSSL takes: each signature is computed, right or not. */
export function longChain(count: number): tls.TlsOptions {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const costly = (): Buffer => {
    const exponent = odd(3072)
    exponent[0] = 0x41
    return sequence(RSA, bits(sequence(integer(odd(3072)), integer(exponent))))
  }
  const chain = Array.from({ length: count }, (_, index) => certificate(`c${index}`, `c${index + 1}`, costly(), [IS_AUTHORITY]))
  const own = certificate('own', 'c0', publicKey.export({ type: 'spki', format: 'der' }), [])
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' })
  return { key, cert: own + chain.join(''), ciphers: 'DEFAULT:@SECLEVEL=0' }
}

/** A server that agrees on a key modulo the longest number that OpenSSL takes. */
export function longModulus(): tls.TlsOptions {
  const dhparam = pem('DH PARAMETERS', sequence(integer(odd(10_000)), integer(Buffer.from([2]))))
  return { key: RSA_KEY.key, cert: RSA_KEY.cert, dhparam, maxVersion: 'TLSv1.2', ciphers: 'DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0' }
}

const RSA_KEY = longChain(0)

/** Listens on loopback until the test has ended. */
export async function tlsServer(options: tls.TlsOptions): Promise<string> {
  const server = tls.createServer(options, (socket) => socket.on('error', () => {}).end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`
}
