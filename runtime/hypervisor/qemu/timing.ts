/** How long QEMU may take to quit when asked, and again to die when killed: it frees the guest's memory meanwhile. */
export const STOP_MS = 3000;
/** QEMU closes its monitor a moment before it ends. */
export const QMP_CLOSED_GRACE_MS = 1000;
