// The contenders' route in Gin, the article's framework: gin PORT. GOMAXPROCS says on how many cores.
package main

import (
	"fmt"
	"net/http"
	"os"
	"strconv"

	"github.com/gin-gonic/gin"
)

type user struct {
	ID    int      `json:"id"`
	Name  string   `json:"name"`
	Email string   `json:"email"`
	Roles []string `json:"roles"`
}

func main() {
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.GET("/users/:user_id", func(c *gin.Context) {
		id, err := strconv.Atoi(c.Param("user_id"))
		if err != nil {
			c.JSON(http.StatusBadRequest, gin.H{"message": err.Error()})
			return
		}
		c.JSON(http.StatusOK, user{
			ID:    id,
			Name:  fmt.Sprintf("user %d", id),
			Email: fmt.Sprintf("user%d@example.com", id),
			Roles: []string{"customer", "reviewer"},
		})
	})
	if err := router.Run("127.0.0.1:" + os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
