import { isLoopbackHost } from '../transport/guard.ts'

/** Whether a host, in any case, is only this machine. */
export const isLoopback = (host: string): boolean => isLoopbackHost(host.toLowerCase())
