/** The version of the product; host and guest are released together. */
export const VERSION = "0.1.0";
