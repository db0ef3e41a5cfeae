/** Bytes of IPv4 addresses that no stranger may reach: this machine, its networks, and where clouds keep their credentials. */
const PRIVATE_ADDRESSES: readonly (readonly [number, number, number, number])[] = [
  [127, 0, 0, 1],
  [127, 255, 255, 254],
  [0, 0, 0, 0],
  [10, 0, 0, 1],
  [172, 16, 0, 1],
  [192, 168, 1, 1],
  [169, 254, 169, 254],
  [100, 100, 100, 200],
  [192, 0, 0, 192],
  [198, 18, 0, 1],
  [224, 0, 0, 1],
  [255, 255, 255, 255],
]

const number = ([a, b, c, d]: readonly [number, number, number, number]): number => a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d
const group = (high: number, low: number): string => (high * 256 + low).toString(16)

/** Each way to write one IPv4 address that some parser takes. */
function spellings(address: readonly [number, number, number, number]): readonly string[] {
  const [a, b, c, d] = address
  const all = number(address)
  const dotted = address.join('.')
  const hex = (part: number): string => `0x${part.toString(16)}`
  const octal = (part: number): string => `0${part.toString(8)}`
  const halves = `${group(a, b)}:${group(c, d)}`
  return [
    dotted,
    `${dotted}.`,
    String(all),
    hex(all),
    octal(all),
    address.map(hex).join('.'),
    address.map(octal).join('.'),
    `${hex(a)}.${b}.${octal(c)}.${d}`,
    `${a}.${b * 65_536 + c * 256 + d}`,
    `${a}.${b}.${c * 256 + d}`,
    address.map((part) => `00000${octal(part)}`).join('.'),
    dotted.replaceAll('.', '。'),
    dotted.replaceAll(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))),
    dotted.replaceAll(/\d/g, (digit) => `%3${digit}`),
    `[::ffff:${dotted}]`,
    `[::ffff:${halves}]`,
    `[0:0:0:0:0:ffff:${halves}]`,
    `[::${dotted}]`,
    `[::ffff:0:${dotted}]`,
    `[64:ff9b::${dotted}]`,
    `[64:ff9b:1::${halves}]`,
    `[2002:${halves}::1]`,
    `[2001:0:${halves}::1]`,
    `[2001:0:53aa:64c:0:0:${(~(a * 256 + b) & 0xffff).toString(16)}:${(~(c * 256 + d) & 0xffff).toString(16)}]`,
  ]
}

const OTHER_HOSTS = [
  'localhost',
  'LOCALHOST',
  'localhost.',
  'a.localhost',
  'ｌｏｃａｌｈｏｓｔ',
  'loc%61lhost',
  '127.1',
  '127.0.1',
  '0',
  '0x7f.1',
  '[::1]',
  '[::]',
  '[0:0:0:0:0:0:0:1]',
  '[fe80::1]',
  '[fe80::1%25eth0]',
  '[fe80::1%lo]',
  '[::1%25lo]',
  '[fc00::1]',
  '[fd00:ec2::254]',
  '[fec0::1]',
  '[ff02::1]',
  '[2001:db8::1]',
  '[100::1]',
  '[3fff::1]',
  '[5f00::1]',
]

/**
 * URLs that must reach nobody.
 * @param port of a listener on this machine
 */
export function hostileUrls(port: number): readonly string[] {
  const hosts = [...PRIVATE_ADDRESSES.flatMap(spellings), ...OTHER_HOSTS]
  return [
    ...hosts.map((host) => `http://${host}:${port}/image.png`),
    ...['127.0.0.1', 'localhost', '[::1]', '[::ffff:7f00:1]', '2130706433', '169.254.169.254'].map(
      (host) => `https://${host}:${port}/image.png`,
    ),
    `http://8.8.8.8@127.0.0.1:${port}/`,
    `http://127.0.0.1:${port}@8.8.8.8/`,
    `http://user:password@127.0.0.1:${port}/`,
    `http://127.0.0.1:${port}\\@8.8.8.8/`,
    `http:\\\\127.0.0.1:${port}\\`,
    `http:127.0.0.1:${port}/`,
    `http:/127.0.0.1:${port}/`,
    `HtTp://127.0.0.1:${port}/`,
    ` http://127.0.0.1:${port}/ `,
    `ht\ntp://127.0.0.1:${port}/`,
    `http://127.0.0.1\t:${port}/`,
    `http://127.0.0.1:${port}#@8.8.8.8/`,
    `http://127.0.0.1:${port}?@8.8.8.8/`,
    `//127.0.0.1:${port}/`,
    `/image.png`,
    `file:///etc/passwd`,
    `file://127.0.0.1/etc/passwd`,
    `ftp://127.0.0.1:${port}/`,
    `gopher://127.0.0.1:${port}/_GET%20/`,
    `dict://127.0.0.1:${port}/`,
    `ws://127.0.0.1:${port}/`,
    `unix:/var/run/docker.sock`,
    `http+unix://%2Fvar%2Frun%2Fdocker.sock/`,
    `blob:http://127.0.0.1:${port}/x`,
    `jar:http://127.0.0.1:${port}!/x`,
    `javascript:fetch("http://127.0.0.1:${port}")`,
  ]
}
