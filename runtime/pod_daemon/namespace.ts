/** The namespace under which pods of the command line are listed. */
export const OCI_NAMESPACE = "oci";
