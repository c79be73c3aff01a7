"""What AWS must hold for a queue, who may do what with it, and single grants for strangers."""
