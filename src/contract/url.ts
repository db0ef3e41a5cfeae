/** Whether an address holds a user name or a password, a password alone included: such a one is not repeated. */
export const hasCredentials = ({ username, password }: Pick<URL, 'username' | 'password'>): boolean => username + password !== ''
